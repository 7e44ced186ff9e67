"""Sends a video through a network tile by tile, and blends the tiles where they overlap.

Tiling is not exact: a network that sees beyond its tile gives something else than at once.
The order of blending (the tile above first, then the one on the left, both as they are
after their own blending) is that of the published autoencoders.

Letters: B clips, C channels, T frames of Y x X.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """How one axis is cut.

    size, stride: length of a tile and distance of two, at the network's input;
    blend, keep: length of a blend and how much of each tile is kept, at its output, so that
    keep is to the output what stride is to the input.
    least: shortest last tile. A shorter one is left out where the tile before it reaches the
    end too, which is then kept whole.
    """

    size: int
    stride: int
    blend: int
    keep: int
    least: int = 1

    def pieces(self, length: int) -> list[tuple[int, int]]:
        """Where tiles begin on an axis, and how much is kept of each; the last may be shorter."""
        pieces = [(start, self.keep) for start in range(0, length, self.stride)]
        rest = length - pieces[-1][0]
        if rest < self.least and rest <= self.size - self.stride and len(pieces) > 1:
            pieces[-2:] = [(pieces[-2][0], self.keep + self.blend)]
        return pieces


def tiled_plane(network: Network, x: Tensor, rows: Tiles, columns: Tiles) -> Tensor:
    """Tile rows and columns, (B, C, T, Y, X) -> the network's output on the whole plane."""
    above: list[Tensor] = []
    bands = []
    pieces = columns.pieces(x.shape[4])
    for y, height in rows.pieces(x.shape[3]):
        band = x[:, :, :, y : y + rows.size]
        row, below = [], []
        left: Tensor | None = None
        for column, (start, width) in enumerate(pieces):
            tile = network(band[..., start : start + columns.size])
            if above:
                tile = blend(above[column], tile, rows.blend, dim=3)
            if left is not None:
                tile = blend(left, tile, columns.blend, dim=4)
            left = _end(tile, columns.blend, dim=4)
            below.append(_end(tile, rows.blend, dim=3))
            row.append(tile[:, :, :, :height, :width].clone())
        above = below
        bands.append(join(row, dim=4))
    return join(bands, dim=3)


def tiled_time(
    network: Network, x: Tensor, frames: Tiles, *, lead: int = 0, later: slice | None = None
) -> Tensor:
    """Tile time.

    Args:
        network: causal or not.
        x: (B, C, T, Y, X).
        frames: how time is cut.
        lead: 1 where a clip's first frame is coded alone. Then tiles are one frame longer,
            and every tile but the first gives its first output frame up.
        later: the output frames of these tiles that count instead; None: all from `lead` on.

    Returns:
        The network's output on all frames.
    """
    later = slice(lead, None) if later is None else later
    kept: list[Tensor] = []
    before: Tensor | None = None
    for start, keep in frames.pieces(x.shape[2]):
        tile = network(x[:, :, start : start + frames.size + lead])
        if before is None:
            kept.append(tile[:, :, : keep + lead].clone())
        else:
            tile = blend(before, tile[:, :, later], frames.blend, dim=2)
            kept.append(tile[:, :, :keep].clone())
        before = _end(tile, frames.blend, dim=2)
    return join(kept, dim=2)


def join(pieces: list[Tensor], dim: int) -> Tensor:
    """Pieces one behind the other along `dim`; takes them out of the list as it copies them.

    So the pieces and the whole do not lie in memory at once, as they do in `torch.cat`: pages of
    the whole that nothing was written to yet take no memory on a CPU.
    """
    if len(pieces) == 1:
        return pieces.pop()
    shape = list(pieces[0].shape)
    shape[dim] = sum(piece.shape[dim] for piece in pieces)
    whole, done = pieces[0].new_empty(shape), 0
    pieces.reverse()
    while pieces:
        piece = pieces.pop()
        whole.narrow(dim, done, piece.shape[dim]).copy_(piece)
        done += piece.shape[dim]
    return whole


def blend(before: Tensor, after: Tensor, length: int, dim: int) -> Tensor:
    """Let the beginning of a tile grow out of the end of the one before it, along `dim`."""
    length = min(length, before.shape[dim], after.shape[dim])
    shape = [1] * after.ndim
    shape[dim] = length
    share = (torch.arange(length, device=after.device, dtype=after.dtype) / length).view(shape)
    old = before.narrow(dim, before.shape[dim] - length, length)
    new = after.narrow(dim, 0, length)
    rest = after.narrow(dim, length, after.shape[dim] - length)
    return torch.cat((old * (1 - share) + new * share, rest), dim=dim)


def _end(tile: Tensor, length: int, dim: int) -> Tensor:
    """The last entries of a tile, without keeping all of it alive."""
    length = min(length, tile.shape[dim])
    return tile.narrow(dim, tile.shape[dim] - length, length).clone()
