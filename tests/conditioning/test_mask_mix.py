"""A mix of tasks draws each as often as it says, and each gives the frames of its name."""

import pytest
import torch

from kineograph.conditioning.frame_masks import Head, HeadAndTail, Nothing, Row
from kineograph.conditioning.mask_mix import Everything, Few, Leading, MaskedClips, MaskMix
from kineograph.conditioning.masked_video import GivenNoise
from kineograph.errors import ConfigError
from kineograph.types import seeded

TASKS = (Nothing(), Head(), HeadAndTail(), Leading(least=0.25, most=0.5), Everything(), Few())


def given(task, frames, *numbers):
    """Which frames a task gives, by the choices that are left."""
    return task.given(frames, Row(iter(numbers))).nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("task", "numbers", "frames"),
    [
        (Everything(), (), [0, 1, 2, 3, 4]),
        (Leading(least=0.25, most=0.5), (0.0,), [0]),  # 1 to 3 of 5 frames
        (Leading(least=0.25, most=0.5), (0.5,), [0, 1]),
        (Leading(least=0.25, most=0.5), (0.99,), [0, 1, 2]),
        (Few(least=0.25, most=0.5), (0.5, 0.9, 0.1, 0.8, 0.2, 0.7), [1, 3]),
        (Few(), (0.0, 0.9, 0.1, 0.8, 0.2, 0.7), []),
        (Few(), (0.99, 0.9, 0.1, 0.8, 0.2, 0.7), [0, 1, 2, 3, 4]),
    ],
)
def test_a_task_gives_what_its_name_says(task, numbers, frames):
    assert given(task, 5, *numbers) == frames


def test_tasks_come_as_often_as_their_weights_say():
    mix = MaskMix(tasks=(Nothing(), Head(), Everything()), weights=(1, 2, 1))
    counts = mix(2000, 5, seeded(range(2000))).sum(1)
    found = [float((counts == count).float().mean()) for count in (0, 1, 5)]
    assert found == pytest.approx([0.25, 0.5, 0.25], abs=0.04)


def test_a_weight_of_zero_is_never_drawn():
    mix = MaskMix(tasks=TASKS, weights=(0, 0, 1, 0, 0, 0))
    found = mix(50, 4, seeded(range(50)))
    assert torch.equal(found, torch.tensor([True, False, False, True]).expand(50, -1))


def test_no_weights_at_all_mean_alike():
    mix = MaskMix(tasks=(Nothing(), Everything()), weights=(0.0, 0.0))
    assert mix.shares().tolist() == [0.5, 0.5]


def test_a_row_does_not_depend_on_its_batch():
    mix = MaskMix(tasks=TASKS, weights=(1, 1, 1, 1, 1, 1))
    assert torch.equal(mix(3, 9, seeded([5, 6, 7]))[1:2], mix(1, 9, seeded([6])))


@pytest.mark.parametrize("weights", [(1.0,), (1.0, -1.0), ()])
def test_each_task_has_a_weight(weights):
    with pytest.raises(ConfigError, match="expected 2 numbers"):
        MaskMix(tasks=(Nothing(), Head()), weights=weights)


def test_clips_and_pictures_have_tasks_of_their_own():
    masked = MaskedClips(pictures=MaskMix(tasks=(Everything(),), weights=(1.0,)))
    video = torch.rand(200, 3, 5, 2, 2)
    given = masked(video, seeded(range(200)))
    assert given.strength.shape == (200, 1, 5, 2, 2) and given.frames is video
    whole = given.strength.flatten(3)
    assert torch.equal(whole.amin(3), whole.amax(3)), "each frame whole, or not at all"
    first = float(given.strength[:, 0, 0, 0, 0].mean())
    assert first == pytest.approx(0.4 + 0.4 + 0.09 + 0.025, abs=0.05)
    assert masked(video[:, :, :1], seeded(range(200))).strength.all()


def test_noise_comes_on_what_is_given_alone():
    masked = MaskedClips(noise=GivenNoise(mean=0.0, std=0.0, clean=0.0))
    video = torch.zeros(4, 3, 5, 2, 2)
    given = masked(video, seeded(range(4)))
    there = given.strength.expand_as(video) > 0.5
    assert bool(given.frames[there].all()) and not given.frames[~there].any()
