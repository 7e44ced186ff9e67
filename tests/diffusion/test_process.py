"""A process refuses denoisers that cannot see what its injection does."""

from dataclasses import dataclass
from typing import Literal

import pytest
from torch import Tensor

from kineograph.conditioning.channels import GivenChannels
from kineograph.conditioning.injections import HeldFrames
from kineograph.conditioning.joining import JoiningFrames
from kineograph.conditioning.keyframes import KeyFrames
from kineograph.conditioning.masked_video import MaskedVideo
from kineograph.conditioning.replacement import ReplacedFrames
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import CLOCKS, Process
from kineograph.errors import ConfigError
from kineograph.types import Condition, Injection

COARSEST = {
    HeldFrames(): "frame",
    JoiningFrames(): "frame",
    KeyFrames(): "token",
    ReplacedFrames(): "sample",
    GivenChannels(): "sample",
    MaskedVideo(): "sample",
}
BESIDE = (GivenChannels(), MaskedVideo())


@dataclass
class Some:
    """A denoiser that returns what it gets."""

    clock: Literal["sample", "frame", "token"]
    reads_known: bool

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        return x


def check(injection: Injection, denoiser: Some) -> None:
    Process(path=RectifiedFlow(), prediction=Velocity(), injection=injection).check(denoiser)


@pytest.mark.parametrize("injection", COARSEST, ids=lambda one: one.kind)
@pytest.mark.parametrize("clock", CLOCKS)
def test_frames_with_times_of_their_own_need_a_clock_that_is_as_fine(injection, clock):
    needed = COARSEST[injection]
    if CLOCKS.index(clock) >= CLOCKS.index(needed):
        check(injection, Some(clock, True))
        return
    with pytest.raises(ConfigError, match=f"gives each {needed} its own time.*per {clock}"):
        check(injection, Some(clock, True))


@pytest.mark.parametrize("injection", COARSEST, ids=lambda one: one.kind)
def test_what_stands_beside_the_latents_must_be_read(injection):
    if injection not in BESIDE:
        check(injection, Some("token", False))
        return
    with pytest.raises(ConfigError, match="does not read them there"):
        check(injection, Some("token", False))
