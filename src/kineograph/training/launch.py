"""What `kineograph train` does: read caches, train in several processes, write the weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kineograph import recipes
from kineograph.checkpoints import files, parts
from kineograph.conditioning.mask_mix import MaskedClips
from kineograph.data.latents import sentences
from kineograph.errors import ConfigError
from kineograph.parallel import replicas
from kineograph.recipes.recipe import Recipe
from kineograph.text.words import Words, WordsConfig
from kineograph.training import adapters
from kineograph.training.denoiser import DenoiserTrainer, Material, Shown
from kineograph.training.journal import Say
from kineograph.training.learner import Learner, encoder
from kineograph.training.overfit import overfit
from kineograph.training.run import Run
from kineograph.training.samples import read
from kineograph.training.weights import digest, load_autoencoder, save_part, save_recipe

SHOWN = 12  # new words in a message
BASE = "base"

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
    replicas.run(_work, processes, _resolved(recipe, sources, say), sources, run, say)
    return run.folder / ("weights" if recipe.adapter is None else adapters.FILE)


def check(recipe: Recipe, sources: Sources, run: Run, say: Say) -> None:
    """Train the last stage of a recipe on a single batch, to see whether it can learn at all.

    Raises:
        NumericsError: it cannot.
    """
    recipe = _resolved(recipe, sources, say)
    overfit(recipe, _material(recipe, sources, run), run, say)


def _resolved(recipe: Recipe, sources: Sources, say: Say) -> Recipe:
    """The recipe with the autoencoder of the sources, and with all their words."""
    if not recipe.stages:
        raise ConfigError(
            f"recipe {recipe.name!r} says no stages: expected at least one, see --set stages=[...]"
        )
    return replace(
        recipe,
        autoencoder=recipes.read(sources.autoencoder).autoencoder,
        text=_taught(recipe.text, sources, say)
        if isinstance(recipe.text, WordsConfig)
        else recipe.text,
    )


def _taught(text: WordsConfig, sources: Sources, say: Say) -> WordsConfig:
    """A vocabulary with the words that training begins with, and those of the captions."""
    before = None if sources.start is None else recipes.read(sources.start).text
    begun = text.taught(before.vocabulary) if isinstance(before, WordsConfig) else text
    captions = [one for cache in sources.caches for one in sentences(cache)]
    found = begun.taught(captions)
    if new := found.vocabulary[len(begun.vocabulary) :]:
        shown = ", ".join(new[:SHOWN]) + (", ..." if len(new) > SHOWN else "")
        say(f"{len(new)} words of the captions are new: {shown}")
    if long := sum(len(Words.split(one)) > text.length for one in captions):
        say(f"{long} captions have more than {text.length} words; what follows those is not read")
    return found


def _material(recipe: Recipe, sources: Sources, run: Run) -> Material:
    show = None if sources.sampler is None else partial(_show, recipe, sources, run)
    if show is not None and recipe.adapter is not None:
        raise ConfigError("sample videos of an adapter: expected none while it is trained")
    encodes = any(isinstance(stage.given, MaskedClips) for stage in recipe.stages)
    return Material(
        caches=read(sources.caches, digest(sources.autoencoder, "autoencoder"), recipe.cache),
        text=encoder(recipe, sources.text, run.device),
        start=sources.start,
        show=show,
        autoencoder=load_autoencoder(sources.autoencoder).to(run.device) if encodes else None,
    )


def _work(place: replicas.Replicas, recipe: Recipe, sources: Sources, run: Run, say: Say) -> None:
    trainer = DenoiserTrainer(recipe, _material(recipe, sources, run), run, place, say)
    learner = trainer.train()
    if place.first and recipe.adapter is not None and sources.start is not None:
        found = adapters.changes(learner.denoiser, recipe.adapter)
        adapters.save(run.folder / adapters.FILE, found, recipe, digest(sources.start, "denoiser"))
        _save_base(run.folder / BASE, recipe, learner, sources)
    elif place.first:
        save(run.folder / "weights", recipe, learner, sources)


def save(folder: Path, recipe: Recipe, learner: Learner, sources: Sources) -> None:
    """Write a weights folder: what has learned, and what has not from where it came."""
    save_part(folder, "denoiser", learner.denoiser)
    _save_rest(folder, recipe, learner, sources)


def _save_base(folder: Path, recipe: Recipe, learner: Learner, sources: Sources) -> None:
    """Write the model that an adapter belongs to, where the start alone is another one.

    The latents may come from another autoencoder, and the captions may have new words.
    """
    assert sources.start is not None
    before = recipes.read(sources.start)
    if (before.autoencoder, before.text) == (recipe.autoencoder, recipe.text):
        return
    _copy(folder, "denoiser", sources.start)
    _save_rest(folder, replace(recipe, adapter=None), learner, sources)


def _save_rest(folder: Path, recipe: Recipe, learner: Learner, sources: Sources) -> None:
    save_recipe(folder, recipe)
    _copy(folder, "autoencoder", sources.autoencoder)
    if learner.text is not None:
        save_part(folder, "text", learner.text)
    elif sources.text is not None:
        _copy(folder, "text", sources.text)


def _copy(folder: Path, part: str, source: Path) -> None:
    parts.write(folder, part, files.read(parts.find(source, part)))


def _show(recipe: Recipe, sources: Sources, run: Run, learner: Learner) -> Sequence[Shown]:
    folder = run.folder / "latest"
    save(folder, recipe, learner, sources)
    assert sources.sampler is not None
    return sources.sampler(folder)
