"""Tokens and ratios of compression are those that anybody counts by hand."""

import pytest

from kineograph.planning.compression import Compression

HUNYUAN = Compression(latent=(4, 8, 8), channels=16, patch=(1, 2, 2))


@pytest.mark.parametrize(
    ("frames", "side", "tokens"), [(1, 256, 256), (33, 256, 9 * 256), (129, 768, 33 * 48 * 48)]
)
def test_a_first_frame_is_a_latent_frame_of_its_own(frames, side, tokens):
    assert HUNYUAN.tokens(frames, side, side) == tokens


def test_without_one_frames_are_grouped_from_the_beginning():
    plain = Compression(latent=(4, 8, 8), channels=16, causal=False)
    assert plain.tokens(8, 8, 8) == 2


def test_what_does_not_fill_a_token_counts_as_one():
    assert HUNYUAN.tokens(2, 17, 16) == 2 * 2


def test_ratios():
    assert (HUNYUAN.d_info, HUNYUAN.d_token) == (48, 1024)
