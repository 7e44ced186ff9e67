"""Tiles cover everything once, and blend without a seam."""

import pytest
import torch

from kineograph.nn.tiling import Tiles, blend, tiled_plane, tiled_time

HALVES = Tiles(size=8, stride=6, blend=2, keep=6)


@pytest.mark.parametrize("size", [(8, 8), (17, 6), (12, 23)])
def test_a_network_that_sees_one_pixel_does_not_notice(size):
    x = torch.randn(1, 2, 3, *size)
    assert torch.allclose(tiled_plane(torch.exp, x, HALVES, HALVES), torch.exp(x), atol=1e-6)


@pytest.mark.parametrize("frames", [5, 8, 17])
def test_neither_does_it_in_time(frames):
    x = torch.randn(1, 2, frames, 2, 2)
    assert torch.allclose(tiled_time(torch.exp, x, HALVES), torch.exp(x), atol=1e-6)


@pytest.mark.parametrize("frames", [9, 12, 13, 14, 19])
def test_too_short_a_last_tile_is_left_out_where_nothing_is_lost(frames):
    tiles = Tiles(size=8, stride=6, blend=2, keep=6, least=2)
    x, seen = torch.randn(1, 1, frames, 1, 1), []

    def look(tile):
        seen.append(tile.shape[2])
        return tile

    assert torch.allclose(tiled_time(look, x, tiles), x, atol=1e-6)
    assert torch.allclose(
        tiled_plane(look, x.movedim(2, 3), tiles, tiles), x.movedim(2, 3), atol=1e-6
    )
    assert min(seen[: len(tiles.pieces(frames))]) >= 2


def test_a_short_last_tile_stays_where_tiles_do_not_overlap():
    tiles, x = Tiles(size=4, stride=4, blend=0, keep=4, least=2), torch.randn(1, 1, 9, 1, 1)
    assert torch.equal(tiled_time(torch.clone, x, tiles), x)


def test_output_tiles_may_be_larger_than_input_tiles():
    twice = Tiles(size=4, stride=3, blend=2, keep=6)
    x = torch.randn(1, 1, 1, 10, 7)
    double = torch.nn.Upsample(scale_factor=(1, 2, 2))
    assert torch.allclose(tiled_plane(double, x, twice, twice), double(x), atol=1e-6)


def test_a_first_frame_that_is_coded_alone_is_dropped_from_later_tiles():
    def halve(x):  # 2 n + 1 frames -> n + 1
        return torch.cat((x[:, :, :1], x[:, :, 1:].unflatten(2, (-1, 2)).mean(3)), dim=2)

    x = torch.randn(1, 1, 17, 1, 1)
    tiles = Tiles(size=8, stride=6, blend=1, keep=3)
    assert torch.allclose(tiled_time(halve, x, tiles, lead=1), halve(x), atol=1e-6)


def test_a_blend_goes_from_the_old_tile_to_the_new_one():
    old, new = torch.zeros(1, 1, 6, 1, 1), torch.ones(1, 1, 6, 1, 1)
    assert blend(old, new, 4, dim=2).flatten().tolist() == [0, 0.25, 0.5, 0.75, 1, 1]


def test_every_row_is_blended_with_the_one_above():
    calls = iter(range(4))
    x = torch.zeros(1, 1, 1, 12, 1)
    found = tiled_plane(lambda tile: tile + next(calls), x, HALVES, HALVES)
    assert found.flatten().tolist() == [0] * 6 + [0, 0.5] + [1] * 4
