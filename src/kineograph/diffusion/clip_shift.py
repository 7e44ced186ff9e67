"""How a clip's size moves its times in Open-Sora 1.2: more noise for larger and longer ones."""

from dataclasses import dataclass
from typing import Literal, TypeVar

from torch import Tensor

from kineograph.types import Grid

Number = TypeVar("Number", float, Tensor)


@dataclass(frozen=True, kw_only=True)
class ClipShift:
    """The factor is the side of a frame over `side` pixels times the root of the frames.

    A frame's side is the root of its area. Latent frames count in whole groups of `group`, as
    many as the autoencoder makes of one chunk; a clip that is shorter counts as it is. cell:
    pixels of a latent cell. scale: multiplies the factor. (Zheng et al., 2412.20404, 4.1.)
    """

    kind: Literal["clip"] = "clip"
    side: int = 512
    cell: int = 8
    group: int = 5
    scale: float = 1.0

    def of(self, grid: Grid) -> float:
        """The factor for latents of F x H x W cells."""
        frames = grid.frames // self.group * self.group or grid.frames
        return self.factor(
            float(self.cell * grid.rows), float(self.cell * grid.columns), float(frames)
        )

    def factor(self, height: Number, width: Number, frames: Number) -> Number:
        """The factor for frames of so many pixels and so many latent frames, any shape."""
        space = (height * width / self.side**2) ** 0.5
        result: Number = space * frames**0.5 * self.scale
        return result
