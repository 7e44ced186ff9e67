"""The larger toybox recipe fits the world that it is for, and the size that a model may have."""

import random

import torch

from kineograph import recipes
from kineograph.text.words import Words
from kineograph.toybox.captions import caption
from kineograph.toybox.world import sample_scene

RECIPE = recipes.get("toybox-large")


def test_no_caption_of_any_level_is_too_long_or_has_an_unknown_word():
    draw, text = random.Random(0), RECIPE.text.build()
    for level in (1, 2, 3):
        for seed in range(12):
            scene = sample_scene(level, seed)
            for said in (caption(scene, draw) for _ in range(8)):
                assert len(Words.split(said)) <= RECIPE.text.length
                assert text.unknown(said) == ()


def test_its_weights_take_at_most_30_megabytes_in_half_precision():
    with torch.device("meta"):
        parts = (RECIPE.autoencoder.build(), RECIPE.text.build(), RECIPE.denoiser.build())
    count = sum(one.numel() for part in parts for one in part.parameters())
    assert 2 * count < 30e6


def test_every_stage_draws_clips_of_the_size_that_is_sampled():
    sampling, sizes = RECIPE.sampling, {stage.clips.size for stage in RECIPE.autoencoder_stages}
    assert sizes == {RECIPE.cache.size} == {sampling.height} == {sampling.width} == {128}
    assert RECIPE.denoiser.max_positions[1:] == (128.0, 128.0)
