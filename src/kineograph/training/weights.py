"""Weights folders: parts as safetensors beside the resolved recipe.

recipe.json  autoencoder.safetensors  text.safetensors  denoiser.safetensors
"""

import json
from pathlib import Path

import torch
from torch import nn

from kineograph import recipes
from kineograph.checkpoints import files, parts
from kineograph.config import to_data
from kineograph.errors import CheckpointError
from kineograph.nn.undrawn import Undrawn
from kineograph.recipes.recipe import Recipe
from kineograph.training.coders import Coder


def digest(folder: Path, part: str) -> str:
    """A short name of a part's exact weights."""
    return files.digest(parts.find(folder, part))


def save_part(folder: Path, part: str, module: nn.Module) -> None:
    """Write a part's weights in bfloat16.

    Raises:
        CheckpointError: the disk is full, or the folder cannot be written.
    """
    tensors = {
        name: tensor.detach().to(torch.bfloat16) if tensor.is_floating_point() else tensor
        for name, tensor in module.state_dict().items()
    }
    parts.write(folder, part, tensors)


def save_recipe(folder: Path, recipe: Recipe) -> None:
    """Write the resolved recipe; without it the weights could not be read.

    Raises:
        CheckpointError: the disk is full, or the folder cannot be written.
    """
    path = folder / recipes.FILE
    part = path.with_name(path.name + ".part")
    text = json.dumps(to_data(recipe), indent=1) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror}") from error


def load_autoencoder(folder: Path) -> Coder:
    """The autoencoder of a weights folder, ready to encode."""
    with Undrawn():
        autoencoder: Coder = recipes.read(folder).autoencoder.build()
    files.load_into(autoencoder, files.read(parts.find(folder, "autoencoder")))
    return autoencoder.eval().requires_grad_(False)
