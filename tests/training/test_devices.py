"""Training computes on one device alone, shown without an accelerator."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.pretended import Pretended

from kineograph.autoencoders.losses_adversarial import AdversarialConfig
from kineograph.conditioning.dropout import FirstFrame
from kineograph.conditioning.frame_masks import EVERY_TASK, FrameMasks
from kineograph.conditioning.token_dropping import SpatialDropping
from kineograph.data.latents import Latents
from kineograph.optimisers.kinds import Adafactor, AdamW, Muon
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import Validation
from kineograph.training import autoencoder, denoiser
from kineograph.training.autoencoder import AutoencoderTrainer
from kineograph.training.denoiser import DenoiserTrainer, Material
from kineograph.training.run import Run
from kineograph.training.samples import Cached
from kineograph.types import Draws


def drawing(seed: int, device: str) -> Draws:
    """As `generator_draws`: clips and latents on the device, small numbers on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    return lambda shape: torch.randn(shape, generator=generator).to(
        device if len(shape) == 5 else "cpu"
    )


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A pretended one, which has no reduced precision and no generator."""
    for module in (autoencoder, denoiser):
        monkeypatch.setattr(module, "halved", lambda *_: nullcontext())
        monkeypatch.setattr(module, "generator_draws", drawing)
    with Pretended() as pretended:
        yield str(pretended.device)


def run(folder: Path, device: str, evaluate_every: int = 1) -> Run:
    return Run(folder=folder, device=device, evaluate_every=evaluate_every)


@pytest.mark.parametrize("adversary", [None, AdversarialConfig()], ids=["alone", "opposed"])
def test_an_autoencoder_learns_where_it_is_told_to(
    recipe: Recipe, tmp_path: Path, device: str, adversary: AdversarialConfig | None
) -> None:
    stages = tuple(
        replace(stage, adversary=adversary, schedule=replace(stage.schedule, steps=1))
        for stage in recipe.autoencoder_stages[:1]
    )
    model = recipe.autoencoder.build()
    place = run(tmp_path, device, evaluate_every=9)
    learnt = AutoencoderTrainer(model, stages, place, Replicas(), lambda _: None).train()
    assert {str(one.device) for one in learnt.parameters()} == {device}


GIVEN = {"first": FirstFrame(probability=0.5), "tasks": FrameMasks(patterns=EVERY_TASK)}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_a_denoiser_learns_where_it_is_told_to(
    recipe: Recipe,
    stored: Latents,
    tmp_path: Path,
    device: str,
    given: FirstFrame | FrameMasks,
) -> None:
    kinds = (AdamW(), Adafactor(), Muon())
    stage = recipe.stages[1]
    stages = tuple(
        replace(
            stage,
            given=given,
            dropping=SpatialDropping(share=0.25) if number else None,
            schedule=replace(stage.schedule, steps=1, optimiser=kind),
            validation=Validation(clips=1, lengths=(2,), times=2),
        )
        for number, kind in enumerate(kinds)
    )
    material = Material((Cached.of(stored, recipe.cache),))
    place = run(tmp_path, device)
    whole = replace(recipe, stages=stages)
    learnt = DenoiserTrainer(whole, material, place, Replicas(), lambda _: None).train()
    assert {str(one.device) for one in learnt.parameters()} == {device}
