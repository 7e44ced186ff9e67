"""Clips with holes: what is not given is black, and the mask's frames become channels."""

import math

import pytest
import torch

from kineograph.conditioning.masked_video import GivenNoise, MaskedVideo, blackened, folded
from kineograph.conditioning.tasks import image_to_video
from kineograph.types import Given, Step, replayed, seeded


class Quarters:
    """An autoencoder of 4 frames and 8 x 8 pixels a cell, which shows what it was given."""

    def latent_shape(self, frames, height, width):
        return 3, 1 + (frames - 1) // 4, height // 8, width // 8

    def encode(self, video, draws=None):
        _, *size = self.latent_shape(*video.shape[2:])
        return torch.nn.functional.adaptive_avg_pool3d(video, size)


def strength(*frames, height=16, width=8):
    """(1, 1, T, Y, X) from one number per frame."""
    return torch.tensor(frames).view(1, 1, -1, 1, 1).expand(-1, -1, -1, height, width)


def test_what_is_not_given_is_black():
    frames = torch.full((1, 3, 3, 2, 2), 0.5)
    found = blackened(Given(frames, strength(1.0, 0.0, 0.4, height=2, width=2)))
    assert found[0, 0, :, 0, 0].tolist() == [0.5, -1.0, -1.0]


def test_pixel_frames_become_channels_and_the_first_one_fills_a_latent_frame():
    found = folded(strength(1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0), 4, 2, 1)
    assert found.shape == (1, 4, 3, 2, 1)
    assert found[0, :, :, 0, 0].T.tolist() == [[1, 1, 1, 1], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_an_even_number_of_frames_has_no_lone_first_one():
    found = folded(strength(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0), 4, 2, 1)
    assert found[0, :, :, 0, 0].T.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]


def test_a_missing_part_is_the_rest_of_a_given_one():
    given = torch.rand(2, 1, 5, 16, 24)
    torch.testing.assert_close(folded(1 - given, 4, 2, 3), 1 - folded(given, 4, 2, 3))


@pytest.mark.parametrize("frames", [1, 5, 9])
def test_an_image_is_known_in_the_first_latent_frame(frames):
    given = image_to_video(torch.full((2, 3, 1, 16, 8), 0.5), frames)
    known = MaskedVideo().known(given, Quarters(), seeded([0, 1]))
    count = 1 + (frames - 1) // 4
    assert known.latents.shape == (2, 3, count, 2, 1)
    assert known.strength.shape == (2, 4, count, 2, 1)
    assert bool((known.strength[:, :, 0] == 1).all())
    assert not known.strength[:, :, 1:].any()
    if frames > 1:
        assert bool((known.latents[:, :, 1:] == -1).all())


def test_the_mask_has_as_many_channels_as_the_factor():
    given = Given(torch.zeros(1, 3, 5, 16, 8), strength(1.0, 0.0, 0.0, 1.0, 0.0))
    known = MaskedVideo(factor=2).known(given, Quarters(), None)
    assert known.strength[0, :, :, 0, 0].T.tolist() == [[1, 1], [0, 0], [1, 0]]


def test_the_noisy_latents_are_left_alone():
    injection, x = MaskedVideo(), torch.randn(1, 3, 2, 2, 2)
    step = Step(0, 1, torch.ones(1, 1, 1, 1, 1), torch.zeros(1, 1, 1, 1, 1))
    start, layout = injection.begin(x, None)
    assert start is x
    assert (layout.when, layout.valid, layout.keep) == (None, None, None)
    assert injection.enter(x, step, None, seeded([0])) is x
    assert injection.times(step, None) is step
    assert injection.present(x, step, None) is x
    assert injection.leave(x, None) is x


def test_noise_is_added_to_given_frames_only_and_its_size_is_drawn_for_each_sample():
    frames = torch.zeros(3, 3, 2, 2, 2)
    given = Given(frames, strength(1.0, 0.0, height=2, width=2).expand(3, -1, -1, -1, -1))
    sizes, chances = (
        torch.tensor([0.0, 2.0, 0.0]),
        torch.special.ndtri(torch.tensor([0.5, 0.9, 0.01])),
    )
    noise = torch.randn(3, 3, 2, 2, 2)
    found = GivenNoise()(given, replayed([sizes, chances, noise])).frames
    scale = torch.tensor([math.exp(-3), math.exp(-2), 0.0]).view(-1, 1, 1, 1)
    torch.testing.assert_close(found[:, :, 0], scale * noise[:, :, 0])
    assert not found[:, :, 1].any()


def test_noisy_frames_are_encoded_with_holes_that_stay_black():
    given = image_to_video(torch.zeros(2, 3, 1, 16, 8), 5)
    plain = MaskedVideo().known(given, Quarters(), seeded([0, 1]))
    noisy = MaskedVideo(noise=GivenNoise(clean=0.0)).known(given, Quarters(), seeded([0, 1]))
    assert (noisy.latents[:, :, 0] != plain.latents[:, :, 0]).all()
    assert torch.equal(noisy.latents[:, :, 1:], plain.latents[:, :, 1:])
    silent = MaskedVideo(noise=GivenNoise()).known(given, Quarters(), None)
    assert torch.equal(silent.latents, plain.latents)
