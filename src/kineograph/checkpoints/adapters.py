"""Adapter files (LoRA) in the key styles of Kineograph, diffusers, ComfyUI and kohya.

denoiser.blocks.0.mlp.up.lora_A.weight                     ours, + .lora_B.weight and .alpha
transformer.transformer_blocks.0.ff.net.2.lora_A.weight    diffusers; alpha is in the metadata
diffusion_model.transformer_blocks.0.ff.net.2.lora_A.weight            ComfyUI, + .alpha
lora_unet_transformer_blocks_0_ff_net_2.lora_down.weight   kohya, + .lora_up.weight, .alpha
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kineograph.checkpoints import files
from kineograph.checkpoints.factors import WEIGHT, Factors, check, to_ours, to_public
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Shape, read_json
from kineograph.errors import CheckpointError, nearest

METADATA = "lora_adapter_metadata"  # where diffusers keeps PEFT's settings, as JSON
PEFT_CONFIG = "adapter_config.json"  # where PEFT keeps them, in a folder
PEFT = "base_model.model."
DOWNS = ("lora_A.weight", "lora_down.weight", "lora_A.default.weight")
UPS = ("lora_B.weight", "lora_up.weight", "lora_B.default.weight")


@dataclass(frozen=True)
class Style:
    """How keys are written.

    prefix: before the layer's name; down, up: after it; separator: between the pieces of the
    name; alphas: whether a tensor `.alpha` stands beside them.
    """

    prefix: str
    down: str = "lora_A.weight"
    up: str = "lora_B.weight"
    separator: str = "."
    alphas: bool = True

    def layer(self, name: str) -> str:
        """A layer's name in this style."""
        return self.prefix + name.replace(".", self.separator)


STYLES: Mapping[str, Style] = {
    "kineograph": Style("denoiser."),
    "diffusers": Style("transformer.", alphas=False),
    "comfyui": Style("diffusion_model."),
    "kohya": Style("lora_unet_", "lora_down.weight", "lora_up.weight", "_"),
}


@dataclass(frozen=True)
class Names:
    """The names of one layout, and the shapes of the weights in it."""

    keys: KeyMap
    shapes: Mapping[str, Shape]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that can be adapted."""
        matrices = (name for name, shape in self.shapes.items() if len(shape) > 1)
        return tuple(name.removesuffix(WEIGHT) for name in matrices if name.endswith(WEIGHT))


def write(
    path: Path, changes: Mapping[str, Factors], style: Style, about: Mapping[str, str]
) -> None:
    """Write factors under the names that they have.

    Args:
        path: of the safetensors file.
        changes: layer -> factors, in the names of the layout that belongs to the style.
        style: how keys are written.
        about: more metadata.

    Raises:
        CheckpointError: the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    for name, one in changes.items():
        layer, trailing = style.layer(name), (1,) * (one.down.ndim - 2)
        tensors[f"{layer}.{style.down}"] = one.down
        tensors[f"{layer}.{style.up}"] = one.up.view(*one.up.shape, *trailing)
        if style.alphas:
            tensors[f"{layer}.alpha"] = torch.tensor(one.alpha)
    told = {} if style.alphas else {METADATA: json.dumps(_settings(style, changes))}
    files.write(path, tensors, {"format": "pt", **about, **told})


def export(changes: Mapping[str, Factors], names: Names) -> dict[str, Factors]:
    """Factors under our names -> under those of a layout.

    Raises:
        CheckpointError: layers that the model has not.
    """
    check(changes, _own_shapes(names))
    return to_public(names.keys, changes, names.shapes)


def read(path: Path, layouts: Sequence[Names]) -> dict[str, Factors]:
    """The factors of a file in any style, under our names.

    Args:
        path: a safetensors file, or a folder that PEFT wrote.
        layouts: the names that the file may use; that with the most of the file's layers counts.

    Raises:
        CheckpointError: the file is damaged, or has keys that belong to no layer of the model.
    """
    found, flat = _parse(files.read(path), _told(path), path)
    sizes = [len(set(found) & set(_dictionary(one, flat))) for one in layouts]
    names = layouts[sizes.index(max(sizes))]
    known = _dictionary(names, flat)
    strangers = [name for name in found if name not in known]
    if strangers:
        lines = [f"{name}{nearest(name, known)}" for name in strangers[:12]]
        more = [f"... and {len(strangers) - 12} more"] if len(strangers) > 12 else []
        raise CheckpointError(
            "\n  ".join([f"{path}: {len(strangers)} layers of no model here:", *lines, *more])
        )
    renamed = {known[name]: one for name, one in found.items()}
    try:
        return to_ours(names.keys, renamed, names.shapes)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _dictionary(names: Names, flat: bool) -> dict[str, str]:
    """Each layer by its name, or by its name with underscores where those are unmistakable."""
    if not flat:
        return {name: name for name in names.layers}
    table: dict[str, str] = {}
    twice: set[str] = set()
    for name in names.layers:
        short = name.replace(".", "_")
        (twice.add(short) if short in table else table.update({short: name}))
    return {short: name for short, name in table.items() if short not in twice}


def _own_shapes(names: Names) -> dict[str, Shape]:
    """Our names and shapes."""
    like = {name: torch.empty(shape, device="meta") for name, shape in names.shapes.items()}
    return {name: tuple(one.shape) for name, one in names.keys.load(like).items()}


def _parse(
    tensors: Mapping[str, Tensor], settings: Mapping[str, Any], path: Path
) -> tuple[dict[str, Factors], bool]:
    """Layer -> factors, without the style; and whether the names are in underscores."""
    prefixes = (*(style.prefix for style in STYLES.values()), PEFT)
    starts = {p for key in tensors for p in prefixes if key.startswith(p)}
    prefix = starts.pop() if len(starts) == 1 else ""
    downs: dict[str, Tensor] = {}
    ups: dict[str, Tensor] = {}
    alphas: dict[str, float] = {}
    strangers = []
    for key, tensor in tensors.items():
        ending = next((e for e in (*DOWNS, *UPS, "alpha") if key.endswith("." + e)), None)
        if ending is None or not key.startswith(prefix):
            strangers.append(key)
            continue
        layer = key.removeprefix(prefix).removesuffix("." + ending)
        if ending == "alpha":
            alphas[layer] = float(tensor) if tensor.numel() == 1 else float("nan")
        elif ending in DOWNS:
            downs[layer] = tensor
        else:
            ups[layer] = tensor.flatten(1) if tensor.shape[2:].numel() == 1 else tensor
    strangers += sorted((downs.keys() ^ ups.keys()) | (alphas.keys() - downs.keys()))
    if strangers or not downs:
        listed = ", ".join(strangers[:8]) + (", ..." if len(strangers) > 8 else "")
        raise CheckpointError(
            f"{path}: {f'no LoRA: {listed}' if strangers else 'no tensors'}; expected pairs such "
            f"as {'; '.join(_example(style) for style in STYLES.values())}"
        )
    found = {}
    for layer, down in downs.items():
        rank = down.shape[0] if down.ndim else 0
        alpha = alphas.get(layer, _alpha(settings, layer, rank))
        if not 0 < abs(alpha) < float("inf"):
            raise CheckpointError(f"{path}: {layer}: alpha is {alpha}, expected a number above 0")
        found[layer] = Factors(down, ups[layer], alpha)
    return found, prefix == STYLES["kohya"].prefix


def _example(style: Style) -> str:
    return f"{style.prefix}LAYER.{style.down} and .{style.up}"


def _told(path: Path) -> dict[str, Any]:
    """PEFT's settings, from the header or from the file beside."""
    prefix = STYLES["diffusers"].prefix
    text = files.read_metadata(path).get(METADATA)
    beside = files.locate(path).with_name(PEFT_CONFIG)
    try:
        settings = json.loads(text) if text is not None else None
    except ValueError as error:
        raise CheckpointError(f"{path}: the header's {METADATA!r} is no JSON: {error}") from error
    if text is None and beside.exists():
        settings = read_json(beside)
    if not isinstance(settings, dict | None):
        raise CheckpointError(f"{path}: {METADATA!r} is no table")
    return {name.removeprefix(prefix): value for name, value in (settings or {}).items()}


def _alpha(settings: Mapping[str, Any], layer: str, rank: int) -> float:
    """The alpha that PEFT's settings mean for a layer; R where they say nothing."""
    alpha = settings.get("lora_alpha", rank)
    for pattern, value in (settings.get("alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", layer):
            alpha = value
            break
    return float(alpha) * (rank**0.5 if settings.get("use_rslora") else 1.0)


def _settings(style: Style, changes: Mapping[str, Factors]) -> dict[str, Any]:
    """PEFT's settings for these factors, as diffusers stores them."""
    ranks = {f"^{re.escape(name)}": one.rank for name, one in changes.items()}
    alphas = {f"^{re.escape(name)}": one.alpha for name, one in changes.items()}
    rank, alpha = _usual(ranks.values()), _usual(alphas.values())
    settings = {
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": {name: one for name, one in ranks.items() if one != rank},
        "alpha_pattern": {name: one for name, one in alphas.items() if one != alpha},
        "target_modules": sorted(changes),
    }
    return {style.prefix + name: value for name, value in settings.items()}


def _usual(values: Iterable[float]) -> float:
    """The value that comes most often."""
    every = list(values)
    return max(every, key=every.count)
