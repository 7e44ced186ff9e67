"""Masking strategies give the frames that their names say, as often as they say."""

import pytest
import torch

from kineograph.conditioning.frame_masks import (
    EVERY_TASK,
    Anywhere,
    EverySecond,
    FrameMasks,
    Head,
    HeadAndTail,
    Nothing,
    Pattern,
    Quarter,
    Row,
    Scattered,
    Tail,
    UpTo,
    Weighted,
    led,
)
from kineograph.types import seeded


def given(pattern: Pattern, frames: int, *numbers: float) -> list[int]:
    """Which frames a pattern gives, by the choices that are left."""
    return pattern.given(frames, Row(iter(numbers))).nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("pattern", "numbers", "frames"),
    [
        (Nothing(), (), []),
        (Head(), (), [0]),
        (Tail(), (), [7]),
        (HeadAndTail(), (), [0, 7]),
        (Anywhere(), (0.5,), [4]),
        (Anywhere(), (0.999999,), [7]),
        (Head(length=Quarter()), (0.9,), [0, 1]),
        (Head(length=Quarter()), (0.1,), [0]),
        (Tail(length=Quarter()), (0.9,), [6, 7]),
        (HeadAndTail(length=Quarter()), (0.9,), [0, 1, 6, 7]),
        (Anywhere(length=Quarter()), (0.9, 0.99), [6, 7]),
        (EverySecond(), (0.2,), [0, 2, 4, 6]),
        (EverySecond(), (0.7,), [1, 3, 5, 7]),
        (Scattered(), (0.5, 0.1, 0.9, 0.4, 0.6, 0.5, 0.8, 0.8, 0.0), [0, 2, 4, 7]),
        (Scattered(), (0.5, *[0.0] * 8), [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_pattern_gives_what_its_name_says(pattern, numbers, frames):
    assert given(pattern, 8, *numbers) == frames


def test_a_quarter_of_few_frames_is_one():
    assert given(Head(length=Quarter()), 3, 0.9) == [0]


def test_the_last_stage_gives_a_quarter_of_the_samples_something():
    latents = torch.ones(3000, 2, 15, 1, 1)
    known = FrameMasks()(latents, seeded(range(3000)))
    some = known.strength.flatten(1).any(1).float().mean()
    assert some == pytest.approx(0.25, abs=0.03)
    assert torch.equal(known.latents, latents * known.strength)
    head = (known.strength[:, 0, :, 0, 0] == torch.eye(15)[0]).all(1).float().mean()
    assert head == pytest.approx(0.22, abs=0.03)


def test_a_sample_always_has_something_to_predict():
    masks = FrameMasks(patterns=(Weighted(pattern=Scattered(), probability=1.0),))
    known = masks(torch.ones(200, 1, 3, 1, 1), seeded(range(200)))
    assert (known.strength.flatten(1).amin(1) == 0).all()


def test_single_frames_stay_unknown():
    masks = FrameMasks(patterns=(Weighted(pattern=Head(), probability=1.0),))
    assert not masks(torch.ones(9, 1, 1, 2, 2), seeded(range(9))).strength.any()


def test_a_samples_mask_does_not_depend_on_its_batch():
    masks = FrameMasks(patterns=(Weighted(pattern=Anywhere(), probability=1.0),))
    latents = torch.ones(4, 1, 8, 1, 1)
    together = masks(latents, seeded([3, 1, 4, 5])).strength
    alone = masks(latents[:1], seeded([4])).strength
    assert torch.equal(together[2:3], alone)


def test_a_length_never_gives_everything():
    dice = Row(iter([0.0, 0.5, 0.99, 0.99, 0.99]))
    counts = [UpTo(most=3).count(frames, dice) for frames in (5, 5, 5, 3, 2)]
    assert counts == [1, 2, 3, 2, 1]


def test_every_task_is_trained_and_something_is_always_left_to_make():
    latents = torch.ones(2000, 1, 5, 1, 1)
    known = FrameMasks(patterns=EVERY_TASK)(latents, seeded(range(2000)))
    found = {tuple(row) for row in known.strength.flatten(1).tolist()}
    head, clip, ends = (1, 0, 0, 0, 0), (1, 1, 0, 0, 0), (1, 0, 0, 0, 1)
    assert {head, clip, ends, (0, 0, 0, 0, 1), (1, 0, 1, 0, 1), (0,) * 5} <= found
    assert (1,) * 5 not in found


def test_half_of_the_samples_may_know_their_frames_softly():
    latents = torch.full((2000, 1, 3, 1, 1), 7.0)
    soft = FrameMasks(patterns=(Weighted(pattern=Head(), probability=1.0),), noisiest=0.6)
    known = soft(latents, seeded(range(2000)))
    strength = known.strength[:, 0, 0].flatten()
    assert 0.45 < float((strength == 1).float().mean()) < 0.55
    assert 0.4 <= float(strength.min()) < 0.42
    assert known.latents[:, 0, 0].unique().tolist() == [7.0]  # as HeldFrames mixes them itself


def test_a_window_knows_its_first_frames_whatever_else_is_given():
    latents = torch.full((3, 2, 4, 1, 1), 7.0)
    soft = FrameMasks(patterns=(Weighted(pattern=Tail(), probability=1.0),), noisiest=0.6)
    known = soft(latents, seeded(range(3)))
    found = led(known, latents, [0, 1, 3])
    assert found.strength[1:, 0, :3, 0, 0].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert torch.equal(found.strength[:, :, 3], known.strength[:, :, 3])
    assert torch.equal(found.strength[0], known.strength[0])
    assert torch.equal(found.latents, latents * (found.strength > 0))
    assert led(known, latents, []) is known
