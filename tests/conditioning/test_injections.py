"""Held frames stay what they are, from the pixels to the last step."""

import pytest
import torch
from torch import Tensor

from kineograph.conditioning.filling import Filled, filled
from kineograph.conditioning.injections import HeldFrames, cell_strength, evenly
from kineograph.errors import ConfigError
from kineograph.types import Given, Known, Step


class Pooled:
    """A causal stand-in autoencoder: 4 frames and 2 x 2 pixels to a cell, by their mean."""

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        return (3, 1 + (frames - 1) // 4, height // 2, width // 2)

    def encode(self, video: Tensor, draws: None = None) -> Tensor:
        _, *grid = self.latent_shape(*video.shape[2:])
        first = torch.nn.functional.adaptive_avg_pool3d(video[:, :, :1], (1, *grid[1:]))
        if grid[0] == 1:
            return first
        later = torch.nn.functional.adaptive_avg_pool3d(video[:, :, 1:], (grid[0] - 1, *grid[1:]))
        return torch.cat([first, later], 2)


def given(frames: int) -> Given:
    video = torch.randn(2, 3, 9, 4, 4, generator=torch.Generator().manual_seed(0))
    strength = torch.zeros(2, 1, 9, 4, 4)
    strength[:, :, :frames] = 1.0
    return Given(video, strength)


@pytest.mark.parametrize(("frames", "cells"), [(1, 1), (4, 1), (5, 2), (9, 3)])
def test_a_latent_frame_is_known_when_all_its_frames_are(frames, cells):
    known = HeldFrames().known(given(frames), Pooled(), None)
    assert known.strength[0, 0, :, 0, 0].tolist() == [1.0] * cells + [0.0] * (3 - cells)
    whole = Pooled().encode(given(frames).frames)
    assert torch.equal(known.latents[:, :, :cells], whole[:, :, :cells])
    assert (known.latents[:, :, cells:] == 0).all()


def test_frames_given_after_free_ones_are_refused():
    later = given(0)
    later.strength[:, :, 5:] = 1.0
    with pytest.raises(ConfigError, match="must lead"):
        HeldFrames().known(later, Pooled(), None)


def test_a_cell_is_as_strong_as_its_weakest_pixel():
    strength = given(9).strength
    strength[0, 0, 6, 3, 1] = 0.25
    cells = cell_strength(strength, (3, 2, 2))
    assert cells[0, 0, 2, 1, 0] == 0.25
    assert cells.sum() == cells.numel() - 0.75


def test_a_clip_is_shared_out_evenly_unless_its_first_frame_is_coded_alone():
    halves = {(1, 1), (8, 2), (16, 4), (6, 6), (2, 2), (12, 3)}
    alone = {(9, 3), (5, 2), (17, 5), (3, 2), (33, 5), (9, 2)}
    assert {one for one in halves | alone if evenly(*one)} == halves
    strength = torch.zeros(1, 1, 8, 2, 2)
    strength[:, :, :4] = 1.0
    assert cell_strength(strength, (2, 1, 1)).flatten().tolist() == [1.0, 0.0]
    strength[:, :, 3] = 0.0
    assert not cell_strength(strength, (2, 1, 1)).any()


class Even:
    """Codes four frames as one."""

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        return 3, frames // 4, height // 2, width // 2

    def encode(self, video: Tensor, draws: None = None) -> Tensor:
        return torch.nn.functional.avg_pool3d(video, (4, 2, 2))


def test_where_four_frames_are_one_the_first_four_are_encoded_and_one_alone_is_refused():
    video, strength = torch.randn(2, 3, 8, 4, 4), torch.zeros(2, 1, 8, 4, 4)
    strength[:, :, :4] = 1.0
    known = HeldFrames().known(Given(video, strength), Even(), None)
    assert torch.equal(known.latents[:, :, :1], Even().encode(video)[:, :, :1])
    assert known.strength[0, 0, :, 0, 0].tolist() == [1.0, 0.0]
    strength[1, :, 1:] = 0.0
    with pytest.raises(ConfigError, match="1 of 8 frames given: they fill no latent frame"):
        HeldFrames().known(Given(video, strength), Even(), None)


def known(*strengths: float) -> Known:
    strength = torch.tensor(strengths).view(1, 1, -1, 1, 1)
    return Known(torch.full((1, 2, len(strengths), 1, 1), 7.0), strength)


def test_known_cells_are_mixed_into_the_start_by_their_strength():
    x, _ = HeldFrames().begin(torch.full((1, 2, 3, 1, 1), 3.0), known(1.0, 0.5, 0.0))
    assert x[0, 0].flatten().tolist() == [7.0, 5.0, 3.0]


def test_clean_cells_never_move_and_soft_ones_wait_for_their_time():
    times = torch.tensor([1.0, 0.6, 0.4, 0.0]).view(-1, 1, 1, 1, 1, 1)
    moved = []
    for index in range(3):
        step = HeldFrames().times(Step(index, 3, times[index], times[index + 1]), known(1, 0.5, 0))
        moved.append((step.next != step.time).flatten().tolist())
        assert step.time.flatten()[0] == 0.0
    assert moved == [[False, False, True], [False, False, True], [False, True, True]]


def test_without_given_frames_all_cells_share_one_time():
    step = Step(0, 1, torch.ones(1), torch.zeros(1))
    assert HeldFrames().times(step, None) is step


# --- filled in ----------------------------------------------------------------------------------

FILLED = HeldFrames(filling=Filled(strength=0.6))


def some(*frames: int) -> Given:
    """The second sample is given as much as the first; a frame's pixels all say its number."""
    video = torch.arange(9.0).view(1, 1, -1, 1, 1).expand(2, 3, -1, 4, 4).clone()
    strength = torch.zeros(2, 1, 9, 4, 4)
    strength[:, :, list(frames)] = 1.0
    return Given(torch.where(strength > 0, video, 99.0), strength)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ((0,), [0] * 9),
        ((0, 8), [0, 0, 0, 0, 0, 8, 8, 8, 8]),
        ((0, 2, 4, 6, 8), list(range(9))),
        ((3, 7), [3, 3, 3, 3, 4, 5, 6, 7, 7]),
        ((), [99] * 9),
    ],
    ids=str,
)
def test_short_gaps_are_blended_and_long_ones_repeat_the_nearest_frame(frames, expected):
    clip = filled(some(*frames), 4)
    assert clip[:, :, :, 1, 2].tolist() == [[[float(value) for value in expected]] * 3] * 2


def test_latent_frames_that_are_given_in_part_are_softly_known_and_marked():
    known = FILLED.known(some(0, 8), Pooled(), None)
    assert known.strength[1, 0, :, 0, 0].tolist() == pytest.approx([1.0, 0.0, 0.6])
    assert known.partly[0].flatten().tolist() == [False, False, True]
    assert known.latents[0, 0, :, 0, 0].tolist()[2] == 8.0  # the last frame, repeated


def test_whole_latent_frames_may_lie_anywhere_where_gaps_are_filled():
    known = FILLED.known(some(5, 6, 7, 8), Pooled(), None)
    assert known.strength[0, 0, :, 0, 0].tolist() == [0.0, 0.0, 1.0] and known.partly is None
    assert known.latents[0, 0, 2].unique().tolist() == [6.5]


def test_leading_frames_are_the_same_whether_gaps_are_filled_or_not():
    for count in (1, 5, 9):
        one, other = (how.known(given(count), Pooled(), None) for how in (HeldFrames(), FILLED))
        assert torch.equal(one.latents, other.latents) and other.partly is None
        assert torch.equal(one.strength, other.strength)


def test_a_soft_frame_in_part_is_softer_still():
    task = some(8)
    task.strength.mul_(0.5)
    known = FILLED.known(task, Pooled(), None)
    assert known.strength[0, 0, 2, 0, 0].item() == pytest.approx(0.3)


def test_places_in_time_reach_the_layout():
    when = torch.tensor([[1, 5]])
    what = Known(torch.zeros(1, 2, 2, 1, 1), torch.ones(1, 1, 2, 1, 1), when)
    _, layout = HeldFrames().begin(torch.zeros(1, 2, 2, 1, 1), what)
    assert torch.equal(layout.when, when)
