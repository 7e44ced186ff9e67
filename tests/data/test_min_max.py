"""Shapes of equal cost: the paper's table, Plan's own shapes, LTX-Video's equal tokens."""

import random

import pytest
import torch

from kineograph.conditioning.token_dropping import FixedCount
from kineograph.data.min_max import EqualTokens, MinMaxSizes, OwnShape, Size
from kineograph.errors import ConfigError
from kineograph.types import Grid


def test_the_papers_example():  # Open-Sora Plan, 3.1
    sizes = MinMaxSizes(most=65536, stride=16, ratios=((1, 1), (3, 4), (9, 16)))
    found = [sizes.size(ratio) for ratio in sizes.ratios]
    assert found == [Size(256, 256), Size(192, 256), Size(144, 256)]
    assert [size.area for size in found] == [65536, 49152, 36864] and sizes.least == 36864


def test_a_ratio_is_in_lowest_terms():
    with pytest.raises(ConfigError, match="6:8"):
        MinMaxSizes(ratios=((6, 8),))


def test_a_clip_is_never_enlarged_and_keeps_its_shape():
    shape = OwnShape(most=236544, stride=32)
    assert shape.scaled(200, 300) == Size(200, 300)
    assert shape.cut(720, 1280) == Size(352, 640)
    assert shape.large(720, 1280) and shape.common(720, 1280)
    assert not shape.large(100, 100)
    assert not shape.common(100, 1000) and not shape.common(10, 10)


EQUAL = EqualTokens(tokens=256, lengths=(1, 9, 17, 33, 65))


@pytest.mark.parametrize(
    "clip", [(1, 1080, 1920), (40, 720, 1280), (70, 640, 480), (90, 1080, 500)]
)
def test_shapes_have_enough_tokens_and_not_too_many(clip):
    shapes = EQUAL.shapes(*clip)
    assert shapes
    for one in shapes:
        grid = Grid((one.frames - 1) // 8 + 1, one.height // 32, one.width // 32)
        assert one.tokens == grid.size and 256 <= one.tokens <= 320
        assert one.frames <= clip[0] and one.height <= clip[1] and one.width <= clip[2]

        assert FixedCount(tokens=256)(1, grid, torch.rand).shape == (1, 256)


def test_proportions_stay_near():
    for one in EQUAL.shapes(40, 720, 1280):
        assert one.height / one.width == pytest.approx(720 / 1280, rel=0.25)


def test_clips_that_are_too_small_have_no_shape():
    assert EQUAL.shapes(1, 480, 480) == ()
    assert EQUAL.choose(1, 480, 480, random.Random(0)) is None


def test_all_lengths_that_fit_are_chosen():
    found = {EQUAL.choose(70, 720, 1280, random.Random(seed)).frames for seed in range(40)}
    assert found == {one.frames for one in EQUAL.shapes(70, 720, 1280)} and len(found) > 2


def test_wrong_numbers_are_refused():
    with pytest.raises(ConfigError, match="10 frames"):
        EqualTokens(tokens=256, lengths=(10,))
    with pytest.raises(ConfigError, match="0 tokens"):
        EqualTokens(tokens=0)
