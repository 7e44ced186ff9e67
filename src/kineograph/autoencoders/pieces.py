"""In which pieces an autoencoder codes a clip, to need less memory.

A kind of autoencoder lists its pieces from the whole clip down to the smallest, and gives itself
back with the same weights, coding in one of them. In time most kinds lose nothing by it; a frame
that is cut into tiles is never quite what the whole frame would have been.

Letters: T frames of Y x X pixels.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from torch import nn

from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.autoencoders.tiled import Cells, Tiling
from kineograph.types import Autoencoder

SIDES = (1024, 512, 256, 128, 64)
NEVER = 1 << 24
"""Pixels that no side has."""
LENGTHS = (128, 64, 32, 16, 8, 4, 2, 1)
LEAST = 4
"""Fewest latent frames that are coded at once; where tiles overlap in time, by one of them."""
ACROSS = 8
"""Latents along the side of the smallest tile, two of which overlap the next one: with fewer,
norms and attention see too little of a frame."""

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Pieces:
    """How a clip is cut.

    frames: coded at once; space: rows and columns of a tile, in pixels. None: not cut.
    """

    frames: int | None = None
    space: int | None = None

    def __str__(self) -> str:
        cuts = []
        if self.frames is not None:
            cuts.append(f"{self.frames} frames at once")
        if self.space is not None:
            cuts.append(f"tiles of {self.space} x {self.space} pixels")
        return ", ".join(cuts) or "all at once"

    def tiles(self) -> OverlapTiling | None:
        """Tiles in space only; None: the frame is whole."""
        return None if self.space is None else OverlapTiling(space=self.space)

    def blocks(self) -> OverlapTiling | None:
        """Tiles in space and time; None: neither is cut."""
        return None if self == WHOLE else OverlapTiling(space=self.space, frames=self.frames)

    def grid(self, *, in_time: bool) -> Tiling | None:
        """The same as a tiling of a clip whose first frame is coded alone."""
        if self.space is None and not (in_time and self.frames):
            return None
        space, frames = self.space or NEVER, self.frames if in_time else None
        return Tiling(
            rows=(space, space * 3 // 4),
            columns=(space, space * 3 // 4),
            frames=None if frames is None else (frames, frames * 3 // 4),
        )

    def latent_frames(self, cell: Cells) -> int | None:
        """`frames` in latent ones; None: not cut."""
        return None if self.frames is None else self.frames // cell.frames


WHOLE = Pieces()


class Plan(Protocol):
    """The configuration of an autoencoder that can code in pieces."""

    def build(self) -> "Divisible":
        """The module, randomly initialised."""
        ...


class Divisible(Autoencoder, Protocol):
    """An autoencoder that can code in pieces."""

    @property
    def config(self) -> Plan:
        """What it was built from."""
        ...

    def pieces(self) -> Sequence[Pieces]:
        """From the whole clip to the smallest pieces, those that change the result least first."""
        ...

    def cut(self, pieces: Pieces) -> Self:
        """The same weights, coding in pieces; one of `pieces()`."""
        ...


def ladder(cell: Cells, *, frames: int) -> tuple[Pieces, ...]:
    """Every cut of a kind, first in time and then in space.

    Args:
        cell: pixels that a latent stands for.
        frames: the fewest latent frames that may be coded at once.
    """
    lengths = [n for n in LENGTHS if n % cell.frames == 0 and n >= frames * cell.frames]
    sides = [n for n in SIDES if n % (4 * cell.space) == 0 and n >= ACROSS * cell.space]
    return tuple(Pieces(length, side) for side in (None, *sides) for length in (None, *lengths))


def twin(module: M) -> M:
    """Another module with the same parts and weights, whose attributes can be set by themselves."""
    other = copy(module)
    vars(other)["_modules"] = dict(vars(module)["_modules"])
    return other
