"""Coding large or long clips in tiles that overlap by a share of their size.

Letters: B clips, C channels, T frames of Y x X.
"""

from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from kineograph.autoencoders.tiled import Cells
from kineograph.errors import ConfigError
from kineograph.nn.tiling import Network, Tiles, tiled_plane, tiled_time


@dataclass(frozen=True, kw_only=True)
class OverlapTiling:
    """Coding large or long clips in tiles, which is not exact.

    space, frames: pixels and frames of a tile; None: that axis is not cut.
    overlap: share of a tile that lies in its neighbour.
    """

    space: int | None = 256
    frames: int | None = None
    overlap: float = 0.25

    def send(
        self,
        network: Network,
        x: Tensor,
        reads: Cells,
        gives: Cells,
        *,
        lead: int = 0,
        least: int = 1,
    ) -> Tensor:
        """The network on the whole of (B, C, T, Y, X).

        Args:
            network: takes a tile.
            x: pixels or latents.
            reads: frames and pixels that an entry of `x` stands for.
            gives: the same of the network's output.
            lead: 1 where a clip's first frame is coded alone.
            least: entries of the shortest last tile in time, see `Tiles`.
        """
        if self.space is not None:
            plane = self._cut(self.space // reads.space, self.space // gives.space)
            if max(x.shape[3:]) > plane.size:
                network = partial(tiled_plane, network, rows=plane, columns=plane)
        if self.frames is not None:
            time = self._cut(self.frames // reads.frames, self.frames // gives.frames)
            if x.shape[2] > time.size:
                return tiled_time(network, x, replace(time, least=least), lead=lead)
        return network(x)

    def check(self, latent: Cells) -> None:
        """Accept tiles that begin and overlap at whole latents.

        Raises:
            ConfigError: others, whose pieces would not fit together.
        """
        axes = (("pixels", self.space, latent.space), ("frames", self.frames, latent.frames))
        for name, size, cell in axes:
            if size is None:
                continue
            pixels, latents = self._cut(size, size), self._cut(size // cell, size // cell)
            if size != cell * latents.size or pixels.stride != cell * latents.stride:
                raise ConfigError(
                    f"tiles of {size} {name} with overlap {self.overlap}: expected tiles and "
                    f"overlaps of whole latents, {cell} {name} each"
                )

    def _cut(self, reads: int, gives: int) -> Tiles:
        blend = int(gives * self.overlap)
        stride = int(reads * (1 - self.overlap))
        return Tiles(size=reads, stride=stride, blend=blend, keep=gives - blend)
