"""Replaced frames are clean wherever they are seen, and move underneath."""

import pytest
import torch
from torch import Tensor

from kineograph.conditioning.replacement import ReplacedFrames
from kineograph.errors import ConfigError
from kineograph.types import Given, Known, Step, seeded

STEP = Step(0, 4, torch.tensor(0.8), torch.tensor(0.6))


class PerFrame:
    """A stand-in autoencoder: each frame by itself, 2 x 2 pixels to a cell, by their mean."""

    def __init__(self) -> None:
        self.encoded = 0

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        return (3, frames, height // 2, width // 2)

    def encode(self, video: Tensor, draws: None = None) -> Tensor:
        self.encoded += video.shape[2]
        return torch.nn.functional.avg_pool3d(video, (1, 2, 2))


class Causal:
    """One that compresses time by 4."""

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        return (3, 1 + (frames - 1) // 4, height, width)

    def encode(self, video: Tensor, draws: None = None) -> Tensor:
        return video[:, :, ::4]


def given(frames: list[int], strength: float = 1.0) -> Given:
    strengths = torch.zeros(2, 1, 5, 4, 6)
    strengths[:, :, frames] = strength
    return Given(torch.randn(2, 3, 5, 4, 6), strengths)


@pytest.mark.parametrize("frames", [[], [0], [0, 1, 2, 3], [0, 4], [1, 3]], ids=str)
def test_any_set_of_frames_can_be_given_and_only_they_are_encoded(frames):
    autoencoder, task = PerFrame(), given(frames)
    known = ReplacedFrames().known(task, autoencoder, None)
    assert autoencoder.encoded == len(frames)
    whole = PerFrame().encode(task.frames)
    assert torch.equal(known.latents[:, :, frames], whole[:, :, frames])
    assert known.strength.shape == (2, 1, 5, 2, 3)
    assert known.strength[0, 0, :, 0, 0].nonzero().flatten().tolist() == frames


def test_where_time_is_compressed_given_frames_must_lead():
    known = ReplacedFrames().known(given([0]), Causal(), None)
    assert known.strength[0, 0, :, 0, 0].tolist() == [1.0, 0.0]
    with pytest.raises(ConfigError, match="lead"):
        ReplacedFrames().known(given([1, 2, 3, 4]), Causal(), None)


def test_half_a_replacement_is_refused():
    with pytest.raises(ConfigError, match=r"0\.7.*expected 0 or 1.*nearest: 1"):
        ReplacedFrames().known(given([0], 0.7), PerFrame(), None)


def known(*strengths: float) -> Known:
    strength = torch.tensor(strengths).view(1, 1, -1, 1, 1)
    return Known(torch.full((1, 2, len(strengths), 1, 1), 7.0), strength)


def test_given_frames_are_seen_clean_and_the_running_latents_stay():
    x = torch.full((1, 2, 3, 1, 1), 3.0)
    seen = ReplacedFrames().present(x, STEP, known(1.0, 0.0, 1.0))
    assert seen[0, 0].flatten().tolist() == [7.0, 3.0, 7.0]
    assert (x == 3.0).all()


def test_a_branch_that_knows_nothing_sees_the_running_latents():
    x = torch.randn(1, 2, 3, 1, 1)
    assert ReplacedFrames().present(x, STEP, None) is x


def test_nothing_but_the_result_is_changed_between_steps():
    injection, x = ReplacedFrames(), torch.randn(1, 2, 3, 1, 1)
    start, layout = injection.begin(x, known(1.0, 0.0, 0.0))
    assert start is x and layout.keep is None
    assert injection.enter(x, STEP, known(1.0, 0.0, 0.0), seeded([0])) is x
    assert injection.times(STEP, known(1.0, 0.0, 0.0)) is STEP
    left = injection.leave(x, known(1.0, 0.0, 0.0))
    assert (left[:, :, 0] == 7.0).all() and torch.equal(left[:, :, 1:], x[:, :, 1:])
    assert injection.leave(x, None) is x
