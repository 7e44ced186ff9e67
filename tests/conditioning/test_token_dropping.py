"""Token dropping keeps the share it says, in whole columns through time."""

import pytest
import torch

from kineograph.conditioning.token_dropping import FixedCount, SpatialDropping, TemporalDropping
from kineograph.errors import ConfigError
from kineograph.types import Grid, seeded

GRID = Grid(frames=3, rows=2, columns=5)


@pytest.mark.parametrize(("share", "count"), [(0.5, 5), (0.0, 10), (0.3, 7), (0.99, 1)])
def test_the_share_is_dropped_in_every_frame_at_the_same_places(share, count):
    keep = SpatialDropping(share=share)(2, GRID, seeded([1, 2]))
    places = keep.view(2, 3, count) - 10 * torch.arange(3)[:, None]
    assert torch.equal(places, places[:, :1].expand_as(places))
    assert (places >= 0).all() and (places < 10).all()
    assert (keep.diff(dim=1) > 0).all()  # rising, so no token is kept twice


def test_places_differ_between_samples_and_draws():
    draws = seeded([1, 2])
    keep = SpatialDropping()(2, GRID, draws)
    assert not torch.equal(keep[0], keep[1])
    assert not torch.equal(keep, SpatialDropping()(2, GRID, draws))


def test_the_lowest_scores_stay():
    scores = torch.tensor([[0.4, 0.1, 0.9, 0.2], [0.0, 0.3, 0.2, 0.1]])
    assert SpatialDropping().places(scores).tolist() == [[1, 3], [0, 3]]


@pytest.mark.parametrize(("share", "count"), [(0.5, 1), (0.0, 3), (0.3, 2), (0.99, 1)])
def test_frames_are_dropped_whole(share, count):
    keep = TemporalDropping(share=share)(2, GRID, seeded([1, 2]))
    frames = keep.view(2, count, 10) // 10
    assert torch.equal(frames, frames[..., :1].expand_as(frames))
    assert (keep.diff(dim=1) > 0).all() and keep.min() >= 0 and keep.max() < GRID.size


def test_dropped_frames_differ_between_samples():
    keep = TemporalDropping(share=0.9)(20, GRID, seeded(range(20)))
    assert sorted((keep[:, 0] // 10).unique().tolist()) == [0, 1, 2]


@pytest.mark.parametrize(("tokens", "count"), [(24, 24), (29, 29), (40, 30)])
def test_a_fixed_number_is_kept_anywhere_in_the_clip(tokens, count):
    keep = FixedCount(tokens=tokens)(2, GRID, seeded([1, 2]))
    assert keep.shape == (2, count)
    assert (keep.diff(dim=1) > 0).all() and keep.min() >= 0 and keep.max() < GRID.size


def test_a_clip_that_would_lose_too_much_is_refused():
    with pytest.raises(ConfigError, match="30 tokens: expected at most 28, so that 23 are left"):
        FixedCount(tokens=23)(2, GRID, seeded([1, 2]))
