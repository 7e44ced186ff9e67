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
from kineograph.recipes.recipe import Recipe
from kineograph.training.coders import Coder


def digest(folder: Path, part: str) -> str:
    """A short name of a part's exact weights."""
    return files.digest(parts.find(folder, part))


def save_part(folder: Path, part: str, module: nn.Module) -> None:
    """Write a part's weights in bfloat16."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach().to(torch.bfloat16) if tensor.is_floating_point() else tensor
        for name, tensor in module.state_dict().items()
    }
    parts.write(folder, part, tensors)


def save_recipe(folder: Path, recipe: Recipe) -> None:
    """Write the resolved recipe; without it the weights could not be read."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(to_data(recipe), indent=1) + "\n"
    (folder / recipes.FILE).write_text(text, encoding="utf-8")


def load_autoencoder(folder: Path) -> Coder:
    """The autoencoder of a weights folder, ready to encode."""
    autoencoder: Coder = recipes.read(folder).autoencoder.build()
    files.load_into(autoencoder, files.read(parts.find(folder, "autoencoder")))
    return autoencoder.eval().requires_grad_(False)
