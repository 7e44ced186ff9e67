"""Every kind of autoencoder trains, is saved with its statistics, is read again, and codes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kineograph import recipes
from kineograph.autoencoders.causal_kl import CausalKLConfig
from kineograph.autoencoders.deep_compression import DeepCompressionConfig, DeepLevels
from kineograph.autoencoders.denoising import DenoisingConfig
from kineograph.autoencoders.denoising_stages import Folded, Residuals, Unfolded
from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.autoencoders.losses_terms import AbsoluteConfig
from kineograph.autoencoders.stacked import StackedConfig
from kineograph.autoencoders.time_kl import TimeKLConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.config import from_data, to_data
from kineograph.errors import ConfigError
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import AutoencoderStage, Clips, Schedule
from kineograph.training import cache, health
from kineograph.training.autoencoder import AutoencoderTrainer, train
from kineograph.training.clips import draw, drawn
from kineograph.training.run import Run
from kineograph.training.weights import load_autoencoder

PICTURES = ImageKLConfig(latent_channels=2, widths=(4, 4), blocks=1, groups=2, attention=False)
LEVELS = DeepLevels(
    widths=(4, 8, 8), depths=(1, 1, 1), reaches=(None, None, None), halves=(True, True)
)
KINDS = {
    "image_kl": PICTURES,
    "stacked": StackedConfig(
        image=PICTURES,
        time=TimeKLConfig(
            channels=2,
            inner_channels=2,
            latent_channels=2,
            base=4,
            factors=(1, 1),
            halves=(True,),
            blocks=1,
            groups=2,
        ),
        scale=(),
        shift=(),
    ),
    "wavelet_flow": WaveletFlowConfig(
        latent_channels=2,
        base=4,
        encoder_blocks=1,
        decoder_blocks=1,
        connect_blocks=1,
        encoder_energy=4,
        decoder_energy=4,
    ),
    "causal_kl": CausalKLConfig(
        latent_channels=2, widths=(4, 4, 4), blocks=1, groups=2, space=4, attention=False
    ),
    "deep_compression": DeepCompressionConfig(latent_channels=4, encoder=LEVELS, decoder=LEVELS),
    "denoising": DenoisingConfig(
        latent_channels=2,
        patch=4,
        encoder_base=4,
        encoder=(Residuals(blocks=1), Folded(stride=(2, 1, 1), channels=4)),
        decoder_base=8,
        decoder=(Residuals(blocks=1), Unfolded(stride=(2, 1, 1), channels=4, straight=True)),
    ),
}


def small(kind: str) -> Recipe:
    """A recipe of one short stage with this kind."""
    frames = 8 if kind == "deep_compression" else 5
    clips = Clips(frames=frames, size=16)
    stage = AutoencoderStage(
        name="all",
        clips=clips,
        schedule=Schedule(steps=2, batch=2, rate=1e-3, warmup=1, average=0.5),
        terms=(AbsoluteConfig(),),
    )
    return replace(
        recipes.get("toybox"),
        autoencoder=KINDS[kind],
        autoencoder_stages=(stage,),
        cache=clips,
    )


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics of 8 clips are enough here."""
    measure: Callable[..., health.Health] = health.measure
    monkeypatch.setattr(health, "measure", lambda *given: measure(*given, count=8))


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_with_any_kind_comes_back_from_its_file(kind: str) -> None:
    recipe = small(kind)
    assert recipe.autoencoder.kind == kind
    assert from_data(Recipe, to_data(recipe)) == recipe


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_trained_saved_and_read_and_its_latents_are_normal(
    kind: str, tmp_path: Path, few: None
) -> None:
    recipe, lines = small(kind), []
    folder = train(recipe, Run(folder=tmp_path, bfloat16=False), 1, lines.append)
    assert any(line.startswith("largest correlation") for line in lines)
    model = load_autoencoder(folder)
    # The clips that the statistics were measured on.
    video = draw(recipe.cache, range(800_000_000, 800_000_008)).video
    with torch.inference_mode():
        latents = model.encode(video)
        back = model.decode(latents, frames=video.shape[2])
    assert back.shape == video.shape
    # Weights are kept in bfloat16; only the deep-compression kind has no shift.
    mean = latents.mean().abs() if kind != "deep_compression" else torch.zeros(())
    assert float(mean) < 0.05
    assert float(latents.std()) == pytest.approx(1.0, abs=0.05)
    assert latents.shape[1:] == model.latent_shape(*video.shape[2:])
    stored = cache.encode([drawn(recipe.cache, range(2))], model)
    assert stored.latents.shape == (2, *latents.shape[1:])
    assert stored.focus.shape == (2, 1, *latents.shape[2:])


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_of_every_kind_gets_a_gradient(kind: str, tmp_path: Path) -> None:
    recipe = small(kind)
    torch.manual_seed(0)
    model = recipe.autoencoder.build()
    run = Run(folder=tmp_path, evaluate_every=99)  # in bfloat16 where it is of use
    trainer = AutoencoderTrainer(model, recipe.autoencoder_stages, run, Replicas(), lambda _: None)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    trainer.train()
    still = [name for name, weight in model.named_parameters() if torch.equal(weight, before[name])]
    assert still == []


@pytest.mark.parametrize("kind", ["wavelet_flow", "deep_compression", "denoising"])
def test_clips_of_a_length_that_a_kind_cannot_code_are_refused_at_once(
    kind: str, tmp_path: Path
) -> None:
    recipe = small(kind)
    (stage,) = recipe.autoencoder_stages
    wrong = replace(stage, clips=replace(stage.clips, frames=6))
    with pytest.raises(ConfigError, match=r"stage 'all': clips of 6 x 16 x 16: expected .*nearest"):
        AutoencoderTrainer(
            recipe.autoencoder.build(), (wrong,), Run(folder=tmp_path), Replicas(), print
        )
