"""Low-rank adapters around the layers of a denoiser, by PEFT (extra `finetune`)."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from kineograph import __version__
from kineograph.checkpoints import adapters
from kineograph.checkpoints.factors import Factors
from kineograph.config import to_data
from kineograph.errors import ConfigError, nearest
from kineograph.recipes.adapter import LoRA
from kineograph.recipes.recipe import Recipe

FILE = "adapter.safetensors"
NAME = "default"  # PEFT's own for the only adapter of a model


def adapt(denoiser: nn.Module, lora: LoRA) -> None:
    """Put adapters around linear layers; nothing else is trained from here on.

    Raises:
        ConfigError: PEFT is not installed, a number cannot be, or no linear layer has such a
            name.
    """
    if lora.rank < 1:
        raise ConfigError(f"adapter.rank = {lora.rank}: expected 1 or more")
    if not 0 <= lora.dropout < 1:
        raise ConfigError(f"adapter.dropout = {lora.dropout}: expected 0 to below 1")
    if not lora.alpha > 0:
        raise ConfigError(f"adapter.alpha = {lora.alpha}: expected a number above 0")
    linear = [name for name, one in denoiser.named_modules() if isinstance(one, nn.Linear)]
    chosen = [name for name in linear if any(fnmatchcase(name, p) for p in lora.layers)]
    idle = [p for p in lora.layers if not any(fnmatchcase(name, p) for name in linear)]
    if idle:
        raise ConfigError(
            f"adapter.layers: {', '.join(idle)}: expected names of linear layers"
            + nearest(idle[0], linear)
        )
    peft = _peft()
    settings = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, target_modules=chosen, lora_dropout=lora.dropout
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that our parts are no models of transformers
        peft.inject_adapter_in_model(settings, denoiser, NAME)


def changes(denoiser: nn.Module, lora: LoRA) -> dict[str, Factors]:
    """The factors that an adapted denoiser has learned, by layer."""
    state: Mapping[str, Tensor] = denoiser.state_dict()
    down, up = (f".lora_{letter}.{NAME}.weight" for letter in "AB")
    layers = [name.removesuffix(down) for name in state if name.endswith(down)]
    return {
        layer: Factors(state[layer + down].clone(), state[layer + up].clone(), lora.alpha)
        for layer in layers
    }


def save(path: Path, found: Mapping[str, Factors], recipe: Recipe, base: str) -> None:
    """Write an adapter in our own key style; `kineograph convert` makes the others of it.

    Args:
        path: of the file.
        found: layer -> factors.
        recipe: that they were trained by.
        base: short name of the exact weights that they change.
    """
    adapters.write(path, found, adapters.STYLES["kineograph"], about(recipe, base))


def about(recipe: Recipe, base: str) -> dict[str, str]:
    """What stands in the header of an adapter file."""
    text = json.dumps(to_data(recipe), sort_keys=True)
    return {
        "kineograph.version": __version__,
        "kineograph.recipe": recipe.name,
        "kineograph.config": hashlib.sha256(text.encode()).hexdigest()[:16],
        "kineograph.base": base,
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{recipe.name}/lora",
        "modelspec.implementation": "kineograph",
        "modelspec.title": f"LoRA of {recipe.name}",
    }


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise ConfigError(
            "adapter: PEFT is not installed; pip install 'kineograph[finetune]'"
        ) from error
    return peft
