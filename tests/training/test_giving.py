"""Frames that are given in pixels are encoded with their holes, from the clips that were cached."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kineograph.conditioning.mask_mix import Everything, MaskedClips, MaskMix
from kineograph.conditioning.masked_video import MaskedVideo, blackened, folded
from kineograph.data.latents import Latents
from kineograph.data.reading import Encoding, Reader
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.errors import ConfigError, DataError
from kineograph.media.encode import write_video
from kineograph.media.resize import to_unit
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import Windows
from kineograph.toybox.scene import to_json
from kineograph.training.cache import encode
from kineograph.training.clips import draw, drawn
from kineograph.training.coders import Coder
from kineograph.training.denoiser import DenoiserTrainer, Material
from kineograph.training.giving import OnPixels, giving
from kineograph.training.overfit import overfit
from kineograph.training.pixels import Pixels
from kineograph.training.run import Run, generator_draws
from kineograph.training.samples import Cached, Samples
from kineograph.training.weights import load_autoencoder

SEEDS = range(6)


@pytest.fixture(scope="module")
def masked(recipe: Recipe) -> Recipe:
    """Open-Sora Plan's way of giving frames, in miniature."""
    stage = replace(recipe.stages[1], given=MaskedClips(), text_dropout=0.0, words_lost=0.0)
    denoiser = SkiparseConfig(
        layers=2,
        heads=2,
        head_width=12,
        in_channels=4,
        out_channels=4,
        text_width=32,
        mask_channels=4,
    )
    return replace(recipe, denoiser=denoiser, injection=MaskedVideo(), stages=(stage,))


@pytest.fixture(scope="module")
def coder(weights: Path) -> Coder:
    """The autoencoder that makes the cache."""
    return load_autoencoder(weights)


@pytest.fixture(scope="module")
def cached(recipe: Recipe, coder: Coder) -> Cached:
    """Scenes that were rendered and encoded."""
    return Cached.of(encode([drawn(recipe.cache, SEEDS)], coder), recipe.cache)


def test_a_scene_comes_back_as_the_cache_saw_it(recipe: Recipe) -> None:
    batch, pixels = draw(recipe.cache, SEEDS), Pixels()
    for video, scene in zip(batch.video, batch.scenes, strict=True):
        assert torch.equal(pixels(to_json(scene), recipe.cache, 5), video)
        assert torch.equal(pixels(to_json(scene), recipe.cache, 1), video[:, :1])


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A video of noise."""
    path = tmp_path / "film.mp4"
    write_video(path, torch.randint(0, 256, (12, 20, 30, 3), dtype=torch.uint8), 8.0)
    return path


def test_a_video_comes_back_as_the_cache_saw_it(recipe: Recipe, film: Path) -> None:
    from kineograph.data.clip import Clip, Span

    shape = recipe.cache
    encoding = Encoding(frames=5, size=shape.size, fps=shape.fps, autoencoder="")
    clip = Clip(source=str(film), span=Span(start=0.5))
    read = Reader(encoding=encoding, folder=None)(clip)
    assert read is not None and read.frames is not None
    record = {"source": clip.source, "digest": read.digest, "start": read.start}
    found = Pixels()(record, shape, 5)
    assert torch.equal(found, to_unit(torch.from_numpy(read.frames))[0])
    with pytest.raises(DataError, match="is not the file that was cached; this stage gives"):
        Pixels()({**record, "digest": "another"}, shape, 5)
    with pytest.raises(DataError, match=r"gone.mp4: cannot be read .*put the file back"):
        Pixels()({**record, "source": str(film.with_name("gone.mp4"))}, shape, 5)


def test_what_is_known_is_the_clip_with_its_holes(
    masked: Recipe, cached: Cached, coder: Coder
) -> None:
    (stage,) = masked.stages
    on_pixels = giving(stage, masked, coder)
    samples = Samples((cached,))
    samples.pixels = on_pixels.pixels
    taken = samples.take(range(6), 2)
    assert taken.video is not None and isinstance(on_pixels, OnPixels)
    known = on_pixels(taken, taken.latents, generator_draws(0))
    draws = generator_draws(0)
    given = on_pixels.given(taken.video, draws)
    assert 0 < given.strength.mean() < 1
    assert torch.equal(known.strength, folded(given.strength, 4, 2, 2))
    with torch.no_grad():
        assert torch.equal(known.latents, coder.encode(blackened(given), draws))


def test_a_clip_that_is_given_whole_is_what_was_cached(
    masked: Recipe, cached: Cached, coder: Coder
) -> None:
    whole = MaskMix(tasks=(Everything(),), weights=(1.0,))
    samples = Samples((cached,))
    samples.pixels = Pixels()
    taken = samples.take((2,), 2)
    assert taken.video is not None
    given = MaskedClips(videos=whole)(taken.video, generator_draws(0))
    with torch.no_grad():
        known = MaskedVideo().known(given, coder, None)
    assert torch.allclose(known.latents, taken.latents, atol=2e-2), "stored in bfloat16"


def test_such_a_recipe_learns_a_batch(
    masked: Recipe, cached: Cached, coder: Coder, tmp_path: Path
) -> None:
    said: list[str] = []
    schedule = replace(masked.stages[0].schedule, rate=2e-2)
    quick = replace(masked, stages=(replace(masked.stages[0], schedule=schedule),))
    material = Material((cached,), autoencoder=coder)
    overfit(quick, material, Run(folder=tmp_path, bfloat16=False), said.append, share=0.5)
    assert "the recipe can learn" in said[-1]


def test_a_run_shows_every_denoiser_pixels_and_pictures(
    masked: Recipe, cached: Cached, coder: Coder, tmp_path: Path
) -> None:
    stage = replace(masked.stages[0], images=0.5)
    mixed = replace(masked, stages=(stage,))
    material = Material((cached,), autoencoder=coder)
    run = DenoiserTrainer(mixed, material, Run(folder=tmp_path), Replicas(), lambda _: None)
    before = run.model.denoiser.get_parameter("mask_in.join.weight").clone()
    run.train()
    assert not torch.equal(run.model.denoiser.get_parameter("mask_in.join.weight"), before)


def test_what_cannot_be_is_said_before_the_first_step(
    masked: Recipe, recipe: Recipe, cached: Cached, coder: Coder
) -> None:
    (stage,) = masked.stages
    with pytest.raises(ConfigError, match=r"'videos' draws .*'first_frame'.*'masked_clips'"):
        giving(recipe.stages[1], masked, coder)
    with pytest.raises(ConfigError, match="expected no windows"):
        giving(replace(stage, windows=Windows()), masked, coder)
    with pytest.raises(ConfigError, match="expected the weights of the autoencoder"):
        giving(stage, masked, None)


def test_latents_of_other_pixels_are_refused(masked: Recipe, cached: Cached, coder: Coder) -> None:
    samples = Samples((cached,))
    samples.pixels = Pixels()
    taken = samples.take((0,), 2)
    short = replace(taken, latents=taken.latents[:, :, :1])
    with pytest.raises(ConfigError, match="5 frames are 2 latent frames, but the stage looks at 1"):
        giving(masked.stages[0], masked, coder)(short, short.latents, generator_draws(0))


def test_only_stages_that_look_at_pixels_read_them(recipe: Recipe, stored: Latents) -> None:
    taken = Samples((Cached.of(stored, recipe.cache),)).take((0, 1), 2)
    assert taken.video is None and giving(recipe.stages[1], recipe, None).pixels is None
