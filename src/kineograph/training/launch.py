"""What `kineograph train` does: read caches, train in several processes, write the weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kineograph import recipes
from kineograph.checkpoints import files, parts
from kineograph.errors import ConfigError
from kineograph.recipes.recipe import Recipe
from kineograph.training import adapters, replicas
from kineograph.training.denoiser import DenoiserTrainer, Material, Shown
from kineograph.training.journal import Say
from kineograph.training.learner import Learner, encoder
from kineograph.training.overfit import overfit
from kineograph.training.run import Run
from kineograph.training.samples import read
from kineograph.training.weights import digest, save_part, save_recipe

Sampler = Callable[[Path], Sequence[Shown]]
"""A weights folder -> videos made with it; it must be picklable."""


@dataclass(frozen=True)
class Sources:
    """What a denoiser is trained on and begins with.

    autoencoder: weights folder of the one that made the caches. caches: folders. start: weights
    folder whose text encoder and denoiser it begins from; None: from nothing. text: weights
    folder of the text encoder, where that does not learn. sampler: makes sample videos.
    """

    autoencoder: Path
    caches: tuple[Path, ...]
    start: Path | None = None
    text: Path | None = None
    sampler: Sampler | None = None


def train(recipe: Recipe, sources: Sources, run: Run, processes: int, say: Say) -> Path:
    """Train a recipe's denoiser on the latents of an autoencoder.

    Args:
        recipe: its stages are run; its autoencoder is replaced by that of the sources.
        sources: the autoencoder, and caches made with it.
        run: where the state and, in the end, the weights folder go.
        processes: how many train side by side.
        say: takes lines of progress.

    Returns:
        The weights folder with all parts; of an adapter, its file.
    """
    replicas.run(_work, processes, _resolved(recipe, sources), sources, run, say)
    return run.folder / ("weights" if recipe.adapter is None else adapters.FILE)


def check(recipe: Recipe, sources: Sources, run: Run, say: Say) -> None:
    """Train the last stage of a recipe on a single batch, to see whether it can learn at all.

    Raises:
        NumericsError: it cannot.
    """
    recipe = _resolved(recipe, sources)
    overfit(recipe, _material(recipe, sources, run), run, say)


def _resolved(recipe: Recipe, sources: Sources) -> Recipe:
    if not recipe.stages:
        raise ConfigError(
            f"recipe {recipe.name!r} says no stages: expected at least one, see --set stages=[...]"
        )
    return replace(recipe, autoencoder=recipes.read(sources.autoencoder).autoencoder)


def _material(recipe: Recipe, sources: Sources, run: Run) -> Material:
    show = None if sources.sampler is None else partial(_show, recipe, sources, run)
    if show is not None and recipe.adapter is not None:
        raise ConfigError("sample videos of an adapter: expected none while it is trained")
    return Material(
        caches=read(sources.caches, digest(sources.autoencoder, "autoencoder"), recipe.cache),
        text=encoder(recipe, sources.text, run.device),
        start=sources.start,
        show=show,
    )


def _work(place: replicas.Replicas, recipe: Recipe, sources: Sources, run: Run, say: Say) -> None:
    trainer = DenoiserTrainer(recipe, _material(recipe, sources, run), run, place, say)
    learner = trainer.train()
    if place.first and recipe.adapter is not None and sources.start is not None:
        found = adapters.changes(learner.denoiser, recipe.adapter)
        adapters.save(run.folder / adapters.FILE, found, recipe, digest(sources.start, "denoiser"))
    elif place.first:
        save(run.folder / "weights", recipe, learner, sources)


def save(folder: Path, recipe: Recipe, learner: Learner, sources: Sources) -> None:
    """Write a weights folder: what has learned, and what has not from where it came."""
    save_recipe(folder, recipe)
    save_part(folder, "denoiser", learner.denoiser)
    kept = {"autoencoder": sources.autoencoder}
    if learner.text is not None:
        save_part(folder, "text", learner.text)
    elif sources.text is not None:
        kept["text"] = sources.text
    for part, place in kept.items():
        parts.write(folder, part, files.read(parts.find(place, part)))


def _show(recipe: Recipe, sources: Sources, run: Run, learner: Learner) -> Sequence[Shown]:
    folder = run.folder / "latest"
    save(folder, recipe, learner, sources)
    assert sources.sampler is not None
    return sources.sampler(folder)
