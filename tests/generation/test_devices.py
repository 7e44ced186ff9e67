"""A whole generation computes on one device alone, shown without an accelerator."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from tests.pretended import Pretended

from kineograph.conditioning.filling import Filled
from kineograph.conditioning.injections import HeldFrames
from kineograph.conditioning.keyframes import KeyFrames
from kineograph.denoisers.structure import StructureConfig
from kineograph.diffusion.guidance import ClassifierFree, Off
from kineograph.diffusion.joint import Joint
from kineograph.diffusion.multistep import Multistep
from kineograph.diffusion.negatives import Steady, TwoNegatives
from kineograph.diffusion.samplers import Ancestral, Euler, Heun, Renoise
from kineograph.diffusion.skip_layer import Phase, SkipLayer
from kineograph.generation.device import Place
from kineograph.generation.generator import Generator
from kineograph.generation.request import Request

IMAGE = torch.zeros(16, 16, 3, dtype=torch.uint8)
FILM = torch.zeros(5, 16, 16, 3, dtype=torch.uint8)
REQUESTS = {
    "text": Request(),
    "ends": Request(image=IMAGE, last_image=IMAGE),
    "continue": Request(video=FILM),
    "edit": Request(video=FILM, task="edit", strength=0.5),
    "loop": Request(task="loop"),
    "long": Request(image=IMAGE, frames=33),
    "signal": Request(signal=FILM),
}
GUIDANCES = (
    Off(),
    ClassifierFree(scale=2.0),
    Joint(scale=3.0),
    TwoNegatives(text=Steady(value=3.0), given=Steady(value=2.0)),
    SkipLayer(blocks=2, phases=(Phase(layers=(1,)),)),
)
SAMPLERS = (Euler(), Heun(), Ancestral(), Renoise(), Multistep())


@pytest.fixture
def elsewhere(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Generator]:
    """The tiny model, and a controller, on a pretended device."""
    monkeypatch.setattr(torch.cuda, "get_device_name", str)
    config = StructureConfig(width=24, blocks=2, patch=(1, 1, 1), heads=2, hidden=4, layers=1)
    with Pretended() as pretended:
        old, device = generator.parts, pretended.device
        parts = replace(
            old,
            autoencoder=old.autoencoder.to(device),
            text=old.text.to(device),
            denoiser=old.denoiser.to(device),
            controller=replace(config, latent_channels=4).build().to(device),
            place=Place(device, torch.float32),
        )
        yield replace(generator, parts=parts, max_memory=1 << 30)


def made(generator: Generator, request: Request, **changed: object) -> tuple[int, ...]:
    """The shape of the video that a changed recipe makes."""
    recipe = replace(generator.parts.recipe, **changed)
    again = replace(generator, parts=replace(generator.parts, recipe=recipe))
    return tuple(again.generate("a red ball", request).video.shape)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_every_task_is_done_where_the_model_is(elsewhere: Generator, request_: Request) -> None:
    frames, *pixels = made(elsewhere, request_, injection=HeldFrames(filling=Filled()))
    assert frames >= len(FILM) and pixels == [16, 16, 3]


@pytest.mark.parametrize("guidance", GUIDANCES, ids=lambda one: one.kind)
def test_every_guidance_is_done_there(elsewhere: Generator, guidance: object) -> None:
    assert made(elsewhere, Request(image=IMAGE), guidance=guidance) == (9, 16, 16, 3)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda one: one.kind)
def test_every_sampler_is_done_there(elsewhere: Generator, sampler: object) -> None:
    sampling = replace(elsewhere.parts.recipe.sampling, sampler=sampler)
    assert made(elsewhere, Request(image=IMAGE), sampling=sampling) == (9, 16, 16, 3)


def test_key_frames_are_put_in_there(elsewhere: Generator) -> None:
    assert made(elsewhere, Request(at={4: IMAGE}), injection=KeyFrames(scale=4))[1:] == (16, 16, 3)
