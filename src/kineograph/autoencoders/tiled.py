"""Coding a clip whose first frame is coded alone, tile by tile.

Letters: B clips, C channels, T frames of Y x X.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from torch import Tensor

from kineograph.nn.tiling import Network, Tiles, tiled_plane, tiled_time


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Coding in tiles, for long or large clips; not exact. In pixels and frames.

    rows, columns, frames: (size, stride) of tiles; a clip within these sizes is not cut. All
        are multiples of the compression. Frames None: time is not cut.
    late: leave out the last decoded frame of a tile instead of its first, as a published
        library does, which puts later tiles one frame too late.
    """

    rows: tuple[int, int] = (512, 448)
    columns: tuple[int, int] = (512, 448)
    frames: tuple[int, int] | None = (16, 8)
    late: bool = False


class Cells(NamedTuple):
    """Frames, and rows or columns, of pixels that one entry of a tensor stands for."""

    frames: int
    space: int


PIXELS = Cells(1, 1)


def encode_in_tiles(network: Network, video: Tensor, tiling: Tiling, latent: Cells) -> Tensor:
    """Pixels (B, C, T, Y, X) -> latents."""
    cut = _Cut(tiling, PIXELS, latent)
    return cut(network, video, later=slice(1, None))


def decode_in_tiles(network: Network, latents: Tensor, tiling: Tiling, latent: Cells) -> Tensor:
    """Latents (B, C, F, H, W) -> pixels."""
    cut = _Cut(tiling, latent, PIXELS)
    return cut(network, latents, later=slice(None, -1) if tiling.late else slice(1, None))


@dataclass(frozen=True)
class _Cut:
    """A tiling, in units of what a network reads and gives."""

    tiling: Tiling
    reads: Cells
    gives: Cells

    def __call__(self, network: Network, x: Tensor, later: slice) -> Tensor:
        """The network on the whole of (B, C, T, Y, X); `later`: as in `tiled_time`."""
        tiling = self.tiling
        rows, columns = (
            _tiles(size, self.reads.space, self.gives.space)
            for size in (tiling.rows, tiling.columns)
        )
        if x.shape[3] > rows.size or x.shape[4] > columns.size:
            network = partial(tiled_plane, network, rows=rows, columns=columns)
        if tiling.frames is None:
            return network(x)
        frames = _tiles(tiling.frames, self.reads.frames, self.gives.frames)
        if x.shape[2] > frames.size:
            return tiled_time(network, x, frames, lead=1, later=later)
        return network(x)


def _tiles(pixels: tuple[int, int], reads: int, gives: int) -> Tiles:
    size, stride = pixels
    return Tiles(
        size=size // reads,
        stride=stride // reads,
        blend=(size // gives) - (stride // gives),
        keep=stride // gives,
    )
