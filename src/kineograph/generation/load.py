"""A model's parts from a weights folder: recipe, autoencoder, text encoder, denoiser."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from kineograph import recipes
from kineograph.autoencoders.pieces import Divisible
from kineograph.checkpoints import files
from kineograph.checkpoints.parts import find
from kineograph.config import override
from kineograph.denoisers.structure import Structure
from kineograph.diffusion.process import Process
from kineograph.errors import CheckpointError, ConfigError
from kineograph.generation.adapters import attach
from kineograph.generation.device import Place
from kineograph.nn.undrawn import Undrawn
from kineograph.recipes.recipe import Recipe
from kineograph.types import Denoiser, RecipeDenoiser, TextEncoder

NAMES = ("autoencoder", "text", "denoiser")
CONTROLLER = "controller"


@dataclass(frozen=True, eq=False, kw_only=True)
class Parts:
    """Everything a generation runs on.

    digest: short name of the exact weights; empty where there is none.
    """

    recipe: Recipe
    autoencoder: Divisible
    text: TextEncoder
    denoiser: Denoiser
    place: Place
    controller: Structure | None = None
    digest: str = ""


def load_parts(
    source: Recipe | Path | str,
    overrides: Sequence[str],
    place: Place,
    adapters: Sequence[str] = (),
) -> Parts:
    """Build a recipe's parts and fill them with weights.

    Args:
        source: a recipe's name, its weights folder, or a recipe whose weights are shipped.
        overrides: of the recipe, such as `sampling.steps=40`.
        place: where the parts go.
        adapters: files that are added to the denoiser, such as `style.safetensors:0.8`.

    Raises:
        CheckpointError: there are no weights, or they do not fit.
        ConfigError: there is no such recipe, or its parts do not go together.
    """
    name = source.name if isinstance(source, Recipe) else str(source)
    folder = recipes.weights(name)
    _check_folder(name, folder)
    recipe = recipes.read(folder)
    if isinstance(source, Recipe):  # its weights decide on the parts, it on the rest
        recipe = replace(
            source,
            autoencoder=recipe.autoencoder,
            text=recipe.text,
            denoiser=recipe.denoiser,
            controller=recipe.controller,
        )
    recipe = override(recipe, *overrides)
    with Undrawn():
        autoencoder, text, denoiser = (
            recipe.autoencoder.build(),
            recipe.text.build(),
            recipe.denoiser.build(),
        )
        controller = None if recipe.controller is None else recipe.controller.build()
    for part, module in zip(NAMES, (autoencoder, text, denoiser), strict=True):
        _fill(module, find(folder, part), place)
    added = attach(denoiser, recipe.denoiser, adapters)
    if controller is not None:
        _fill(controller, find(folder, CONTROLLER), place)
    _check(recipe, denoiser)
    return Parts(
        recipe=recipe,
        autoencoder=autoencoder,
        text=text,
        denoiser=denoiser,
        place=place,
        controller=controller,
        digest=_digest(folder, NAMES if controller is None else (*NAMES, CONTROLLER), added),
    )


def _check(recipe: Recipe, denoiser: RecipeDenoiser) -> None:
    Process(path=recipe.path, prediction=recipe.prediction, injection=recipe.injection).check(
        denoiser
    )
    disturbs = recipe.guidance.disturbs
    if disturbs not in (0, denoiser.disturbable):
        raise ConfigError(
            f"guidance {recipe.guidance.kind!r} disturbs some of {disturbs} blocks, but denoiser "
            f"{recipe.denoiser.kind!r} has {denoiser.disturbable} that can be disturbed; expected "
            + (
                f"guidance.blocks={denoiser.disturbable}"
                if denoiser.disturbable
                else "another kind of guidance, such as 'classifier_free'"
            )
        )


def _check_folder(name: str, folder: Path) -> None:
    wanted = [recipes.FILE, *(find(folder, part).name for part in NAMES)]
    missing = [file for file in wanted if not (folder / file).exists()]
    if not missing:
        return
    if name in recipes.names():
        raise CheckpointError(
            f"recipe {name!r} ships no weights; train it with `kineograph train-autoencoder` "
            "and `kineograph train`, then pass --model FOLDER"
        )
    raise CheckpointError(f"{folder}: {', '.join(missing)} missing; expected {', '.join(wanted)}")


def _fill(module: nn.Module, path: Path, place: Place) -> None:
    files.load_into(module, files.read(path))
    module.to(place.device).eval().requires_grad_(False)


def _digest(folder: Path, names: Sequence[str], added: Sequence[str]) -> str:
    parts = "".join((*(files.digest(find(folder, part)) for part in names), *added))
    return hashlib.sha256(parts.encode()).hexdigest()[:12]
