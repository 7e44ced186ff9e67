"""The published sequences of autoencoder training stand in recipes as their papers give them."""

import pytest
import torch

from kineograph import recipes
from kineograph.autoencoders.losses_criterion import Criterion
from kineograph.autoencoders.losses_perceptual import LikelihoodConfig, LPIPSConfig
from kineograph.autoencoders.losses_terms import (
    DivergenceConfig,
    IdentityConfig,
    Networks,
    PictureLatentsConfig,
    WaveletConfig,
)
from kineograph.recipes.recipe import Recipe
from kineograph.training.autoencoder import check_lengths
from kineograph.training.optim import learning_rate

PUBLISHED = ("open-sora-1.2", "open-sora-plan-1.3", "open-sora-2-dc-ae")
LABORATORY = tuple(name for name in recipes.names() if name.startswith("lab-"))


def facts(recipe: Recipe) -> list[tuple[int, int, int, float]]:
    """Steps, frames, pixels on a side and frame rate of every stage."""
    return [
        (stage.schedule.steps, stage.clips.frames, stage.clips.size, stage.clips.fps)
        for stage in recipe.autoencoder_stages
    ]


@pytest.mark.parametrize("name", PUBLISHED)
def test_rates_are_fixed_and_clips_come_one_at_a_time(name: str) -> None:
    for stage in recipes.get(name).autoencoder_stages:
        schedule = stage.schedule
        assert schedule.batch == 1 and schedule.optimiser.betas == (0.9, 0.999)
        steps = (0, schedule.steps // 2, schedule.steps - 1)
        assert [learning_rate(schedule, step) for step in steps] == [schedule.rate] * 3
        assert stage.clips.kind == "footage" and stage.emphasis.mask == 0


@pytest.mark.parametrize("name", (*PUBLISHED, *LABORATORY))
def test_parts_go_together_and_every_length_can_be_coded(name: str) -> None:
    recipe = recipes.get(name)
    with torch.device("meta"):
        autoencoder = recipe.autoencoder.build()
    for stage in recipe.autoencoder_stages:
        check_lengths(autoencoder, stage)
        features = Networks(lpips=lambda one, other: one.mean((1, 2, 3)))
        with torch.device("meta"):
            Criterion(stage.terms, stage.adversary, features)
    size = recipe.sampling
    legal = autoencoder.nearest(size.frames, size.height, size.width)
    assert (legal.frames, legal.height, legal.width) == (size.frames, size.height, size.width)
    assert size.height % size.multiple == size.width % size.multiple == 0


@pytest.mark.parametrize("name", LABORATORY)
def test_laboratory_denoisers_take_the_latents_of_their_autoencoders(name: str) -> None:
    recipe = recipes.get(name)
    with torch.device("meta"):
        autoencoder = recipe.autoencoder.build()
    size, denoiser = recipe.sampling, recipe.denoiser
    channels, _, rows, columns = autoencoder.latent_shape(size.frames, size.height, size.width)
    assert denoiser.kind == "ltx"
    assert denoiser.in_channels == denoiser.out_channels == channels
    assert denoiser.spatial_scale * rows == size.height
    assert rows % denoiser.patch == columns % denoiser.patch == 0
    assert denoiser.patch * denoiser.spatial_scale == size.multiple
    assert denoiser.text_width == recipe.text.width


def test_the_laboratory_has_every_kind_once() -> None:
    kinds = [recipes.get(name).autoencoder.kind for name in LABORATORY]
    assert sorted(kinds) == [
        "causal_kl",
        "deep_compression",
        "denoising",
        "image_kl",
        "stacked",
        "wavelet_flow",
    ]
    assert [f"lab-{kind.replace('_', '-')}" for kind in kinds] == list(LABORATORY)


def test_open_sora_1_2_trains_in_380k_260k_and_560k_steps() -> None:  # 3.1, figure 5
    recipe = recipes.get("open-sora-1.2")
    first, second, third = recipe.autoencoder_stages
    assert [row[:3] for row in facts(recipe)] == [
        (380_000, 17, 256),
        (260_000, 17, 256),
        (560_000, 33, 256),
    ]
    assert {stage.schedule.rate for stage in recipe.autoencoder_stages} == {1e-5}
    assert first.frozen == ("image.*",) and second.frozen == third.frozen == ()
    assert first.terms == (PictureLatentsConfig(), IdentityConfig())
    assert second.terms == (PictureLatentsConfig(),), "the identity loss is off"
    assert third.terms == (
        LikelihoodConfig(perceptual=0.1, distance=LPIPSConfig()),
        DivergenceConfig(weight=1e-6),
    )
    assert first.images == second.images == 0.2 and third.images == 0.0
    assert third.lengths == tuple(range(1, 34)) and first.lengths == second.lengths == ()
    assert all(stage.adversary is None for stage in recipe.autoencoder_stages)


def test_open_sora_plan_trains_in_800k_and_twice_200k_steps() -> None:  # 2.1
    recipe = recipes.get("open-sora-plan-1.3")
    assert [row[:3] for row in facts(recipe)] == [
        (800_000, 25, 256),
        (200_000, 49, 256),
        (200_000, 49, 256),
    ]
    rates = [row[3] for row in facts(recipe)]
    assert rates[1] == rates[2] == rates[0] / 2, "half the frame rate"
    perceptual = []
    for stage in recipe.autoencoder_stages:
        likelihood, divergence, wavelet = stage.terms
        assert isinstance(likelihood, LikelihoodConfig)
        perceptual.append(likelihood.perceptual)
        assert divergence == DivergenceConfig(weight=1e-6)
        assert wavelet == WaveletConfig(weight=0.1)
        assert stage.schedule.rate == stage.opponent.rate == 1e-5
        assert stage.schedule.optimiser.weight_decay == 1e-4
        assert stage.opponent.optimiser.weight_decay == 0.01
        assert not stage.opponent.kept, "a new discriminator in each stage"
        assert stage.adversary is not None and stage.adversary.kind == "adversarial"
        assert stage.adversary.start == 0 and stage.adversary.weight == 0.5
        assert stage.adversary.balance.kind == "adaptive"
        assert stage.adversary.balance.epsilon == 1e-6
        assert stage.adversary.rule.kind == "hinge" and stage.adversary.turns.kind == "alternate"
        assert stage.adversary.discriminator.layers == 4
    assert perceptual == [1.0, 1.0, 0.1]


def test_open_sora_2_trains_video_dc_ae_in_250k_and_200k_steps() -> None:  # 4.4
    recipe = recipes.get("open-sora-2-dc-ae")
    assert [row[:3] for row in facts(recipe)] == [(250_000, 32, 256), (200_000, 32, 256)]
    first, second = recipe.autoencoder_stages
    for stage in (first, second):
        assert stage.terms == (LikelihoodConfig(perceptual=0.5),), "no divergence"
        assert stage.schedule.rate == 5e-5 and stage.schedule.optimiser.epsilon == 1e-15
        assert stage.schedule.optimiser.weight_decay == 0.0 and stage.schedule.clip == 1.0
        assert stage.images == 0.2
    assert first.adversary is None
    assert second.adversary is not None and second.adversary.weight == 0.05
    assert second.adversary.turns.kind == "together"
    assert second.adversary.discriminator.layers == 5
    assert second.adversary.discriminator.dropout == 0.3
    assert second.opponent.rate == 1e-4 and second.opponent.optimiser is None
    assert recipe.autoencoder.kind == "deep_compression"
    assert recipe.autoencoder.latent_channels == 128
