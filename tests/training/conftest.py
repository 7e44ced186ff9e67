"""A recipe in miniature, clips that are already stored, and a process that is stopped."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kineograph import recipes
from kineograph.data.latents import Latents
from kineograph.denoisers.ltx import Local
from kineograph.optimisers.kinds import Muon
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import AutoencoderStage, Clips, Schedule, Stage
from kineograph.toybox.scene import to_json
from kineograph.toybox.world import sample_scene
from kineograph.training.weights import save_part, save_recipe

CLIPS = Clips(frames=5, size=16)
SCHEDULE = Schedule(steps=4, batch=2, rate=5e-3, warmup=1, average=0.9)
MIXED = replace(SCHEDULE, optimiser=Muon())
TERMS = recipes.get("toybox").autoencoder_stages[1].terms


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """The toybox with all its parts, each as small as it goes; two stages of four steps."""
    toybox = recipes.get("toybox")
    return replace(
        toybox,
        autoencoder=replace(
            toybox.autoencoder, latent_channels=4, base=8, encoder_energy=8, decoder_energy=8
        ),
        text=replace(toybox.text, width=32, heads=2),
        denoiser=replace(
            toybox.denoiser,
            layers=2,
            heads=2,
            head_width=16,
            in_channels=4,
            out_channels=4,
            text_width=32,
            pooled_width=32,
            local=Local(width=8),
        ),
        autoencoder_stages=(
            AutoencoderStage(name="all", clips=CLIPS, schedule=SCHEDULE, terms=TERMS),
            AutoencoderStage(
                name="rest", clips=CLIPS, schedule=SCHEDULE, terms=TERMS, frozen=("encoder.*",)
            ),
        ),
        cache=CLIPS,
        stages=(
            Stage(name="images", latent_frames=1, schedule=MIXED),
            Stage(name="videos", latent_frames=2, schedule=MIXED),
        ),
    )


@pytest.fixture(scope="session")
def stored() -> Latents:
    """Twelve clips of noise, 4 x 2 x 4 x 4, with the records of real scenes."""
    draw = torch.Generator().manual_seed(0)
    return Latents(
        latents=torch.randn(12, 4, 2, 4, 4, generator=draw).bfloat16(),
        focus=torch.randint(0, 256, (12, 1, 2, 4, 4), generator=draw, dtype=torch.uint8),
        records=tuple(to_json(sample_scene(1, seed)) for seed in range(12)),
    )


@pytest.fixture(scope="session")
def weights(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder that holds an autoencoder only."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_part(folder, "autoencoder", recipe.autoencoder.build())
    save_recipe(folder, recipe)
    return folder


@dataclass(frozen=True)
class Stopped(Replicas):
    """A process that somebody stops while it computes its step number `after`."""

    after: int = 0
    seen: list[int] = field(default_factory=list)

    def average(self, gradients: Iterable[Tensor]) -> None:
        """Count the steps."""
        if len(self.seen) == self.after:
            raise KeyboardInterrupt
        self.seen.append(len(self.seen))


@pytest.fixture
def stopped() -> Callable[[int], Replicas]:
    """Makes a process that is stopped after so many steps."""
    return lambda after: Stopped(after=after)
