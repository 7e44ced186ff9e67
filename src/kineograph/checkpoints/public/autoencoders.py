"""Any published autoencoder, out of any file that it is published in.

Its sizes come from the description beside the weights or in the file's header; where there is none,
from the published model that has the same names and shapes; else from names and shapes
themselves, which do not say everything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kineograph.autoencoders.causal_kl import CausalKLConfig
from kineograph.autoencoders.deep_compression import DeepCompressionConfig
from kineograph.autoencoders.denoising import DenoisingConfig
from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.autoencoders.pieces import Divisible
from kineograph.autoencoders.stacked import StackedConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.checkpoints import files
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Differences, compare, shapes
from kineograph.checkpoints.public import (
    causal_kl,
    deep_compression,
    image_kl,
    ltx_video_autoencoder,
    open_sora_1_autoencoder,
    open_sora_plan,
)
from kineograph.checkpoints.public.autoencoder_sizes import (
    DENOISING,
    IMAGE_KL,
    WAVELET_FLOW,
    infer_causal_kl,
    infer_image_kl,
    infer_wavelet_flow,
)
from kineograph.errors import CheckpointError, ConfigError

Config = (
    ImageKLConfig
    | StackedConfig
    | WaveletFlowConfig
    | CausalKLConfig
    | DeepCompressionConfig
    | DenoisingConfig
)
State = Mapping[str, Tensor]
PREFIXES = ("vae.", "first_stage_model.")  # of an autoencoder in a file with other parts


@dataclass(frozen=True)
class Kind:
    """How one kind of autoencoder is published.

    config: of a public description. keys: all names of a config, in the layout of a checkpoint.
    published: names and configs of the models without a description. inferred: a config from
    names and shapes; None: they say too little.
    """

    config: Callable[[Mapping[str, Any]], Config]
    keys: Callable[[Any, State], KeyMap]
    published: Mapping[str, Config]
    inferred: Callable[[State], Config] | None = None


@dataclass(frozen=True, eq=False)
class Opened:
    """An autoencoder with its weights, ready to code, and in words where its sizes come from."""

    autoencoder: Divisible
    module: nn.Module
    source: str


def open_autoencoder(kind: str, path: Path) -> Opened:
    """Read an autoencoder of a kind from a file or folder.

    Args:
        kind: a key of `KINDS`.
        path: weights in any public layout: a file, a folder, or a pipeline with a folder `vae`;
            names may stand below `vae.` or `first_stage_model.`.

    Raises:
        ConfigError: there is no such kind.
        CheckpointError: the file cannot be read, or holds something else: what is missing, what
            is unexpected and what has another shape is listed by module.
    """
    if kind not in KINDS:
        raise ConfigError(f"--autoencoder {kind}: expected one of {', '.join(KINDS)}")
    table = KINDS[kind]
    if (path / "model_index.json").exists() and (path / "vae").is_dir():
        path = path / "vae"
    state = _state(path)
    description = files.read_config(path)
    description = description.get("vae", description)
    if description:
        config, source = _described(table, kind, description, path), "its description"
    else:
        config, source = _undescribed(table, state, path)
    if isinstance(config, StackedConfig) and {"scale", "shift"} <= state.keys():
        scale, shift = (tuple(state[name].flatten().tolist()) for name in ("scale", "shift"))
        config = replace(config, scale=scale, shift=shift)
    keys = table.keys(config, state)
    _refuse(_differences(keys, config, state), kind, path)
    module = config.build()
    files.load_into(module, keys.load(state))
    return Opened(module, module.eval().requires_grad_(False), source)


def _state(path: Path) -> State:
    """All tensors, or the part of a larger file that is the autoencoder, which alone is read."""
    file = files.locate(path)
    tensors = files.Lazy(file) if file.suffix == ".safetensors" else files.read(file)
    for prefix in PREFIXES:
        part = {name: tensors[name] for name in tensors if name.startswith(prefix)}
        if part:
            return {name.removeprefix(prefix): tensor for name, tensor in part.items()}
    return dict(tensors)


def _described(table: Kind, kind: str, description: Mapping[str, Any], path: Path) -> Config:
    try:
        return table.config(description)
    except KeyError as error:
        raise CheckpointError(
            f"{path}: the description has no {error.args[0]!r}: it is no {kind}"
        ) from error


def _undescribed(table: Kind, state: State, path: Path) -> tuple[Config, str]:
    """The published model that fits, or what names and shapes say, or the nearest model."""
    found: dict[str, Differences] = {}
    for name, config in table.published.items():
        found[name] = _differences(table.keys(config, state), config, state)
        if not found[name]:
            return config, f"the published {name}, whose names and shapes it has"
    if table.inferred is not None:
        try:
            return table.inferred(state), "names and shapes alone (no description, no known size)"
        except KeyError as error:
            raise CheckpointError(f"{path}: no tensor {error.args[0]!r}") from error
    nearest = min(found, key=lambda name: _count(found[name]))
    return table.published[nearest], f"the published {nearest}"


def _count(differences: Differences) -> int:
    return sum(map(len, (differences.missing, differences.unexpected, differences.misshaped)))


def _differences(keys: KeyMap, config: Config, state: State) -> Differences:
    """Between a checkpoint and what a config's model is called publicly."""
    with torch.device("meta"):
        ours = config.build().state_dict()
    expected, found = shapes(keys.dump(ours)), shapes(state)
    return compare(found, expected, {name: found[name] for name in keys.dropped(found)})


def _refuse(differences: Differences, kind: str, path: Path) -> None:
    if differences:
        lines = "\n  ".join(differences.lines())
        raise CheckpointError(f"{path}: no {kind}, or a part of one:\n  {lines}")


KINDS: Mapping[str, Kind] = {
    "image_kl": Kind(
        config=image_kl.image_kl_config,
        keys=lambda config, state: image_kl.image_kl_key_map(
            config, image_kl.image_kl_layout(state)
        ),
        published=IMAGE_KL,
        inferred=infer_image_kl,
    ),
    "stacked": Kind(
        config=open_sora_1_autoencoder.stacked_config,
        keys=lambda config, state: open_sora_1_autoencoder.stacked_key_map(config),
        published={"Open-Sora 1.2": StackedConfig()},
    ),
    "wavelet_flow": Kind(
        config=open_sora_plan.wavelet_flow_config,
        keys=lambda config, state: open_sora_plan.wavelet_flow_key_map(
            config, open_sora_plan.wavelet_flow_layout(state)
        ),
        published=WAVELET_FLOW,
        inferred=infer_wavelet_flow,
    ),
    "causal_kl": Kind(
        config=causal_kl.causal_kl_config,
        keys=lambda config, state: causal_kl.causal_kl_key_map(),
        published={"HunyuanVideo": CausalKLConfig()},
        inferred=infer_causal_kl,
    ),
    "deep_compression": Kind(
        config=deep_compression.deep_compression_config,
        keys=lambda config, state: deep_compression.deep_compression_key_map(),
        published={
            "Video DC-AE of 128 channels": DeepCompressionConfig(),
            "Video DC-AE of 256 channels": DeepCompressionConfig(latent_channels=256),
        },
    ),
    "denoising": Kind(
        config=ltx_video_autoencoder.autoencoder_config,
        keys=lambda config, state: ltx_video_autoencoder.autoencoder_key_map(
            config, ltx_video_autoencoder.autoencoder_layout(state)
        ),
        published=DENOISING,
    ),
}
