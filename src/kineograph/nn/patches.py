"""Patches in three dimensions: blocks of latent cells as tokens, with padding and its undoing.

Letters: B samples; C channels; F x H x W latent cells; N tokens.
"""

from dataclasses import dataclass

from einops import rearrange
from torch import Tensor
from torch.nn import functional

from kineograph.types import Grid

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Patch:
    """So many latent frames, rows and columns are one token; what is missing is zero."""

    frames: int = 1
    rows: int = 2
    columns: int = 2

    @property
    def cells(self) -> int:
        """The number of latent cells of a token."""
        return self.frames * self.rows * self.columns

    def grid(self, size: Size) -> Grid:
        """How the tokens of F x H x W cells lie; a last patch may be incomplete."""
        frames, rows, columns = size
        return Grid(-(-frames // self.frames), -(-rows // self.rows), -(-columns // self.columns))

    def split(self, x: Tensor) -> Tensor:
        """Latents (B, C, F, H, W), padded at the ends -> tokens (B, N, cells * C)."""
        frames, rows, columns = x.shape[2:]
        ends = (0, -columns % self.columns, 0, -rows % self.rows, 0, -frames % self.frames)
        return rearrange(
            functional.pad(x, ends),
            "b c (f t) (h p) (w q) -> b (f h w) (t p q c)",
            t=self.frames,
            p=self.rows,
            q=self.columns,
        )

    def merge(self, x: Tensor, size: Size) -> Tensor:
        """Tokens (B, N, cells * C) -> latents (B, C, F, H, W), cropped to `size`."""
        grid = self.grid(size)
        whole = rearrange(
            x,
            "b (f h w) (t p q c) -> b c (f t) (h p) (w q)",
            f=grid.frames,
            h=grid.rows,
            w=grid.columns,
            t=self.frames,
            p=self.rows,
            q=self.columns,
        )
        return whole[:, :, : size[0], : size[1], : size[2]]
