"""The loop holds what is given and asks the denoiser for what guidance wants."""

from typing import Literal

import pytest
import torch
from torch import Tensor

from kineograph.conditioning.injections import HeldFrames
from kineograph.diffusion.guidance import ClassifierFree, Off
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.samplers import Ancestral, Euler, Heun, Renoise
from kineograph.diffusion.sampling import Look, sample
from kineograph.types import Condition, Known, TextEmbedding, seeded

SHAPE = (2, 3, 4, 2, 2)
PROCESS = Process(path=RectifiedFlow(), prediction=Velocity(), injection=HeldFrames())
TIMES = torch.tensor([1.0, 0.7, 0.3, 0.0])


class ToText:
    """Flows to the caption's first number everywhere; a further channel is noise for the test."""

    clock: Literal["token"] = "token"

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        assert len(x) == len(time) == len(condition.text.tokens)
        data = condition.text.tokens[:, 0, 0].view(-1, 1, 1, 1, 1)
        velocity = (x - data) / time.clamp_min(1e-6)
        return torch.cat([velocity, torch.full_like(velocity, float("nan"))], 1)


def look(condition: Condition, scale: float = 1.0) -> Look:
    guidance = Off() if scale == 1.0 else ClassifierFree(scale=scale)
    empty = TextEmbedding(torch.zeros_like(condition.text.tokens))
    return Look(
        denoiser=ToText(), process=PROCESS, guidance=guidance, condition=condition, empty=empty
    )


CONDITION = Condition(TextEmbedding(torch.tensor([2.0, 3.0]).view(2, 1, 1)))


@pytest.mark.parametrize("sampler", [Euler(), Heun(), Ancestral(), Renoise()], ids=repr)
def test_given_cells_come_out_bit_for_bit(sampler):
    strength = torch.zeros(2, 1, 4, 2, 2)
    strength[:, :, 0] = 1.0
    latents = seeded([4, 5])(SHAPE) * strength
    condition = Condition(CONDITION.text, Known(latents, strength))
    found = sample(look(condition), sampler, seeded([1, 2])(SHAPE), TIMES, seeded([1, 2]))
    assert torch.equal(found[:, :, 0], latents[:, :, 0])
    wanted = CONDITION.text.tokens.view(2, 1, 1, 1, 1).expand(2, 3, 3, 2, 2)
    torch.testing.assert_close(found[:, :, 1:], wanted)


def test_guidance_overshoots_by_its_scale():
    found = sample(look(CONDITION, 4.0), Euler(), seeded([1, 2])(SHAPE), TIMES, seeded([1, 2]))
    wanted = 4.0 * CONDITION.text.tokens.view(2, 1, 1, 1, 1).expand(SHAPE)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_every_step_is_reported_with_its_latents():
    seen = []
    sample(
        look(CONDITION),
        Euler(),
        seeded([1, 2])(SHAPE),
        TIMES,
        seeded([1, 2]),
        watch=lambda step, x: seen.append((step.index, step.count, x.shape)),
    )
    assert seen == [(index, 3, SHAPE) for index in range(3)]


def test_samples_may_have_times_of_their_own():
    def halfway(times: Tensor) -> Tensor:
        """The latents after the second of three steps."""
        seen = []
        start = seeded([1, 2])(SHAPE)
        sample(look(CONDITION), Euler(), start, times, seeded([1, 2]), lambda _, x: seen.append(x))
        return seen[1]

    other = torch.tensor([1.0, 0.9, 0.2, 0.0])
    found = halfway(torch.stack((TIMES, other), 1))
    torch.testing.assert_close(found[0], halfway(TIMES)[0])
    torch.testing.assert_close(found[1], halfway(other)[1])
    assert (found[1] - halfway(TIMES)[1]).abs().max() > 1e-3
