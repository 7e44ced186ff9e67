"""Joining frames are held until their time, noised when they join, and then move."""

import pytest
import torch
from torch import Tensor

from kineograph.conditioning.joining import JoiningFrames
from kineograph.errors import ConfigError
from kineograph.types import Draws, Given, Known, Step

JOINING = JoiningFrames()


class Chunked:
    """A stand-in autoencoder: chunks of 17 frames in groups of 4 from the end, by their mean."""

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        return (3, frames // 17 * 5 + -(-(frames % 17) // 4), height, width)

    def encode(self, video: Tensor, draws: Draws | None = None) -> Tensor:
        chunks = torch.split(video, 17, 2)
        groups = [
            torch.cat([part.mean(2, keepdim=True) for part in reversed(self.groups(chunk))], 2)
            for chunk in chunks
        ]
        return torch.cat(groups, 2)

    def groups(self, chunk: Tensor) -> list[Tensor]:
        ends = range(chunk.shape[2], 0, -4)
        return [chunk[:, :, max(end - 4, 0) : end] for end in ends]


def step(time: float, following: float, index: int = 0) -> Step:
    now, then = (torch.tensor(t).view(1, 1, 1, 1, 1) for t in (time, following))
    return Step(index, 3, now, then)


def known(*strengths: float) -> Known:
    strength = torch.tensor(strengths).view(1, 1, -1, 1, 1)
    return Known(torch.full((1, 2, len(strengths), 1, 1), 7.0), strength)


def ones(shape: tuple[int, ...]) -> Tensor:
    return torch.ones(shape)


@pytest.mark.parametrize(
    ("frames", "given", "latents"),
    [
        (1, [0], [1]),
        (17, [0], [1, 0, 0, 0, 0]),
        (17, range(5), [1, 1, 0, 0, 0]),
        (17, range(4), [1, 0, 0, 0, 0]),
        (19, [17, 18], [0, 0, 0, 0, 0, 1]),
        (34, [0, 17], [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
    ],
)
def test_a_latent_frame_is_given_when_all_its_frames_are(frames, given, latents):
    strength = torch.zeros(1, 1, frames, 2, 2)
    strength[:, :, list(given)] = 1.0
    video = torch.rand(1, 3, frames, 2, 2)
    found = JOINING.known(Given(video, strength), Chunked(), None)
    assert found.strength.flatten().tolist() == latents
    whole = Chunked().encode(video)
    expected = whole * torch.tensor(latents).view(1, 1, -1, 1, 1)
    torch.testing.assert_close(found.latents, expected)


def test_an_image_is_the_first_latent_of_a_chunk():
    strength = torch.zeros(1, 1, 51, 2, 2)
    strength[:, :, 0] = 1.0
    video = torch.rand(1, 3, 51, 2, 2)
    found = JOINING.known(Given(video, strength), Chunked(), None)
    torch.testing.assert_close(found.latents[:, :, 0], video[:, :, 0])


def test_a_partly_given_frame_is_as_strong_as_its_weakest_pixel():
    strength = torch.ones(1, 1, 17, 2, 2)
    strength[0, 0, 3, 1, 0] = 0.25
    found = JOINING.frame_strength(strength)
    assert found.flatten().tolist() == [1.0, 0.25, 1.0, 1.0, 1.0]


def test_an_autoencoder_with_other_chunks_is_refused():
    given = Given(torch.zeros(1, 3, 34, 2, 2), torch.ones(1, 1, 34, 2, 2))
    with pytest.raises(ConfigError, match="9 latent frames, but the autoencoder makes 10"):
        JoiningFrames(chunk=None).known(given, Chunked(), None)


def test_known_frames_begin_in_place_and_unmixed():
    x, layout = JOINING.begin(torch.full((1, 2, 3, 1, 1), 3.0), known(1.0, 0.5, 0.0))
    assert x[0, 0].flatten().tolist() == [7.0, 7.0, 3.0]
    assert layout.when is None and layout.keep is None


@pytest.mark.parametrize(
    ("time", "moving"),
    [(1.0, [False, False, True]), (0.6, [False, False, True]), (0.5, [False, True, True])],
)
def test_frames_are_held_at_time_zero_until_their_time(time, moving):
    found = JOINING.times(step(time, time - 0.1), known(1.0, 0.5, 0.0))
    assert (found.time != 0).flatten().tolist() == moving
    assert (found.next != found.time).flatten().tolist() == moving


def test_a_frame_is_noised_once_when_it_joins():
    given = known(1.0, 0.5, 0.0)
    x, _ = JOINING.begin(torch.full((1, 2, 3, 1, 1), 3.0), given)
    before = JOINING.enter(x, step(0.8, 0.5), given, ones)
    assert torch.equal(before, x)
    joined = JOINING.enter(x, step(0.5, 0.2, 1), given, ones)
    assert joined[0, 0].flatten().tolist() == [7.0, 4.0, 3.0]
    assert torch.equal(JOINING.enter(joined, step(0.2, 0.0, 2), given, ones), joined)


@pytest.mark.parametrize(("slack", "held"), [(1e-6, False), (0.0, True)])
def test_a_first_time_rounded_above_one_holds_free_frames_in_the_reference_only(slack, held):
    joining, free = JoiningFrames(slack=slack), known(0.0)
    above = torch.tensor(1.0).nextafter(torch.tensor(2.0)).item()
    found = joining.times(step(above, 0.5), free)
    assert bool((found.time == found.next).all()) is held
    x = free.latents.clone()  # a frame that waited has what it began with, and gets fresh noise
    assert torch.equal(joining.enter(x, step(above, 0.5), free, ones), x)
    assert joining.enter(x, step(0.5, 0.0, 1), free, ones)[0, 0].flatten().tolist() == [4.0]


def test_noise_is_drawn_at_every_step_if_anything_is_known():
    shapes: list[tuple[int, ...]] = []

    def draws(shape: tuple[int, ...]) -> Tensor:
        shapes.append(shape)
        return torch.zeros(shape)

    x = torch.ones(1, 2, 3, 1, 1)
    for time in (1.0, 0.5):
        JOINING.enter(x, step(time, 0.0), known(0.0, 0.0, 0.0), draws)
    assert shapes == [(1, 2, 3, 1, 1)] * 2
    assert JOINING.enter(x, step(0.5, 0.0), None, draws) is x and len(shapes) == 2


def test_a_pass_sees_held_frames_clean_and_the_others_as_they_are():
    given = known(1.0, 0.5, 0.0)
    now = JOINING.times(step(0.3, 0.0), given)
    x = torch.full((1, 2, 3, 1, 1), 3.0)
    assert JOINING.present(x, now, given)[0, 0].flatten().tolist() == [7.0, 3.0, 3.0]
    assert JOINING.leave(x, given) is x


def test_without_given_frames_nothing_changes():
    x, now = torch.ones(1, 2, 3, 1, 1), step(1.0, 0.5)
    assert JOINING.begin(x, None)[0] is x
    assert JOINING.times(now, None) is now and JOINING.present(x, now, None) is x


@pytest.mark.parametrize("edit", [0.1, 0.2, 0.35, 0.4, 0.7, 0.9])
def test_a_frame_joins_at_exactly_its_time(edit):
    rounded = Known(torch.zeros(1, 2, 1, 1, 1), 1.0 - torch.full((1, 1, 1, 1, 1), edit))
    for slack in (0.0, 1e-6):
        joining = JoiningFrames(slack=slack)
        assert joining.times(step(edit, edit / 2), rounded).time.item() > 0
        assert joining.times(step(edit + 1e-4, edit), rounded).time.item() == 0
