"""Clips beyond a tile are cut, in units of what goes in; others are coded at once."""

import pytest
import torch
from torch import Tensor

from kineograph.autoencoders.tiled import Cells, Tiling, decode_in_tiles, encode_in_tiles

LATENT = Cells(frames=4, space=8)
TILING = Tiling(rows=(32, 16), columns=(24, 16), frames=(8, 4))


class Repeat:
    """Every latent as its cell of pixels; remembers the shapes it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def decode(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape[2:]))
        x = x.repeat_interleave(8, 3).repeat_interleave(8, 4)
        return torch.cat((x[:, :, :1], x[:, :, 1:].repeat_interleave(4, 2)), dim=2)

    def encode(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape[2:]))
        x = x[:, :, :, ::8, ::8]
        return torch.cat((x[:, :, :1], x[:, :, 4::4]), dim=2)


@pytest.mark.parametrize("shape", [(1, 4, 3), (3, 2, 2), (3, 4, 3)])
def test_a_clip_within_a_tile_is_coded_at_once(shape):
    network, latents = Repeat(), torch.randn(1, 2, *shape)
    tiling = Tiling(rows=(32, 16), columns=(24, 16), frames=(12, 4))
    decode_in_tiles(network.decode, latents, tiling, LATENT)
    assert network.seen == [shape]


@pytest.mark.parametrize("shape", [(1, 5, 3), (4, 2, 2), (6, 7, 5)])
def test_a_network_that_sees_one_cell_does_not_notice(shape):
    network, latents = Repeat(), torch.randn(1, 2, *shape)
    whole = network.decode(latents)
    assert torch.allclose(decode_in_tiles(network.decode, latents, TILING, LATENT), whole)
    assert torch.allclose(encode_in_tiles(network.encode, whole, TILING, LATENT), latents)
    assert len(network.seen) > 3


def test_tiles_have_their_size_and_one_frame_more():
    network = Repeat()
    encode_in_tiles(network.encode, torch.zeros(1, 1, 17, 48, 40), TILING, LATENT)
    assert network.seen[0] == (9, 32, 24)


def test_late_tiles_show_everything_after_the_first_a_frame_too_late():
    latents = torch.arange(5.0).view(1, 1, 5, 1, 1)
    tiling = Tiling(rows=(8, 8), columns=(8, 8), frames=(4, 4))
    right = decode_in_tiles(Repeat().decode, latents, tiling, LATENT)
    late = decode_in_tiles(
        Repeat().decode,
        latents,
        Tiling(rows=(8, 8), columns=(8, 8), frames=(4, 4), late=True),
        LATENT,
    )
    assert right[0, 0, :, 0, 0].tolist() == [0] + [n for n in (1, 2, 3, 4) for _ in range(4)]
    assert late[0, 0, 5, 0, 0] == 1 and right[0, 0, 5, 0, 0] == 2
