"""Recipes: whole systems as data.

A recipe is found by its name, or by a weights folder, which always holds the resolved
recipe of its weights beside them in `recipe.json`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kineograph.errors import CheckpointError, ConfigError, nearest

if TYPE_CHECKING:
    from kineograph.recipes.recipe import Recipe

NAMES = (
    "toybox",
    "toybox-64",
    "toybox-large",
    "own-videos",
    "open-sora-1.2",
    "open-sora-plan-1.3",
    "open-sora-2-dc-ae",
    "lab-image-kl",
    "lab-stacked",
    "lab-wavelet-flow",
    "lab-causal-kl",
    "lab-deep-compression",
    "lab-denoising",
)
FILE = "recipe.json"


def names() -> tuple[str, ...]:
    """The names of all recipes."""
    return NAMES


def get(name: str) -> "Recipe":
    """A recipe by its name, as it is written down, before any training.

    Raises:
        ConfigError: no recipe has this name.
    """
    if name not in NAMES:
        raise ConfigError(f"no recipe {name!r}{nearest(name, NAMES)}")
    from kineograph.recipes import laboratory
    from kineograph.recipes.open_sora_1_2 import OPEN_SORA_1_2
    from kineograph.recipes.open_sora_2 import OPEN_SORA_2_DC_AE
    from kineograph.recipes.open_sora_plan_1_3 import OPEN_SORA_PLAN_1_3
    from kineograph.recipes.own_videos import OWN_VIDEOS
    from kineograph.recipes.toybox import TOYBOX
    from kineograph.recipes.toybox_64 import TOYBOX_64
    from kineograph.recipes.toybox_large import TOYBOX_LARGE

    every = (
        TOYBOX,
        TOYBOX_64,
        TOYBOX_LARGE,
        OWN_VIDEOS,
        OPEN_SORA_1_2,
        OPEN_SORA_PLAN_1_3,
        OPEN_SORA_2_DC_AE,
        laboratory.IMAGE_KL,
        laboratory.STACKED,
        laboratory.WAVELET_FLOW,
        laboratory.CAUSAL_KL,
        laboratory.DEEP_COMPRESSION,
        laboratory.DENOISING,
    )
    return {recipe.name: recipe for recipe in every}[name]


def read(folder: Path) -> "Recipe":
    """The resolved recipe of a weights folder.

    Raises:
        CheckpointError: the folder holds none, or one that cannot be read.
        ConfigError: it says something that cannot be.
    """
    path = folder / FILE
    if not path.exists():
        raise CheckpointError(f"{folder}: no {FILE} there, so its weights cannot be read")
    from kineograph.config import from_data
    from kineograph.recipes.recipe import Recipe

    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    try:
        return from_data(Recipe, data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {str(error).removeprefix(': ')}") from error


def weights(name: str) -> Path:
    """The weights folder of a recipe's name (inside the package), or a folder as it is.

    Raises:
        ConfigError: neither.
    """
    if name in NAMES:
        return Path(__file__).parent.parent / "weights" / name
    if Path(name).is_dir():
        return Path(name)
    raise ConfigError(f"no recipe or weights folder {name!r}{nearest(name, NAMES)}")
