"""Every kind of part that has published weights: sizes, layouts, and how it is recognised."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from kineograph.autoencoders.stacked import StackedConfig
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Differences, compare, shapes
from kineograph.checkpoints.public import (
    causal_kl,
    deep_compression,
    flux,
    image_kl,
    ltx_video,
    ltx_video_autoencoder,
    open_sora_1,
    open_sora_1_autoencoder,
    open_sora_2,
    open_sora_plan,
    open_sora_plan_denoiser,
    text_encoders,
)
from kineograph.checkpoints.public.autoencoders import KINDS as AUTOENCODERS
from kineograph.denoisers.ltx import LTXConfig
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.denoisers.stdit_early import STDiT2Config
from kineograph.errors import CheckpointError, ConfigError, KineographError, nearest
from kineograph.text.clip import CLIPConfig
from kineograph.text.t5 import T5Config

Role = Literal["autoencoder", "text", "denoiser"]
State = Mapping[str, Tensor]
PREFIXES: Mapping[Role, tuple[str, ...]] = {
    "autoencoder": ("vae.", "first_stage_model."),
    "denoiser": (ltx_video.PREFIX,),
    "text": (),
}
"""What a part's names begin with in a file that holds several parts."""
TABLES: Mapping[Role, str] = {"autoencoder": "vae", "denoiser": "transformer", "text": "text"}
"""Where a part's settings stand among those of several parts."""
DAMAGED = (KeyError, TypeError, ValueError, AttributeError, RuntimeError, KineographError)


class Config(Protocol):
    """A part's configuration."""

    def build(self) -> nn.Module:
        """The module."""
        ...


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How one kind of part is published.

    config: of the settings beside the weights. layouts: their names, the usual one first. layout:
    that of a checkpoint's names. keys: all names of a config in a layout. published: configs
    that are tried where there are no settings. inferred: a config from names and shapes.
    """

    role: Role
    config: Callable[[Mapping[str, Any]], Config]
    keys: Callable[[Any, Any], KeyMap]
    layouts: tuple[str, ...] = ("original",)
    layout: Callable[[State], str] = lambda state: "original"
    published: tuple[Config, ...] = ()
    inferred: Callable[[State], Config] | None = None


@dataclass(frozen=True, eq=False)
class Match:
    """A recognised checkpoint: its kind, its sizes, its layout."""

    name: str
    kind: Kind
    config: Config
    layout: str

    @property
    def keys(self) -> KeyMap:
        """Its names."""
        return self.kind.keys(self.config, self.layout)


def prefix_of(names: Sequence[str], role: Role) -> str:
    """What the names of a part begin with in a file; empty where the file is the part."""
    for prefix in PREFIXES[role]:
        if any(name.startswith(prefix) for name in names):
            return prefix
    return ""


def recognise(state: State, settings: Mapping[str, Any], wanted: str | None = None) -> Match:
    """The kind of a part.

    Args:
        state: names and shapes; values are not read.
        settings: that stand beside the weights or in their header; empty where there are none.
        wanted: a kind, None: whichever fits.

    Raises:
        ConfigError: there is no such kind.
        CheckpointError: no kind fits; what is missing, unexpected and of another shape for the
            nearest is listed by module.
    """
    if wanted is not None and wanted not in KINDS:
        raise ConfigError(f"--kind {wanted}{nearest(wanted, KINDS)}")
    tried: list[tuple[int, Match]] = []
    for name, kind in KINDS.items() if wanted is None else [(wanted, KINDS[wanted])]:
        own = settings.get(TABLES[kind.role], settings)
        for config in _configs(kind, state, own if isinstance(own, dict) else {}, wanted):
            match = Match(name, kind, config, kind.layout(state))
            strange = len(match.keys.unknown(state))
            if not (strange or _differences(match, state)):
                return match
            tried.append((strange, match))
    what = wanted or "part that is known here"
    if not tried:
        raise CheckpointError(
            f"no {what}: its settings and names do not tell its sizes; there is: {', '.join(KINDS)}"
        )
    fewest = min(strange for strange, _ in tried)
    near = [(_differences(match, state), match) for strange, match in tried if strange == fewest]
    differences, match = min(near, key=lambda one: _count(one[0]))
    lines = "\n  ".join(differences.lines())
    hint = "" if wanted is not None else f"; the nearest kind is {match.name}"
    raise CheckpointError(f"no {what}{hint}:\n  {lines}")


def of_config(config: Config, layout: str | None) -> Match:
    """How a part of ours is called publicly.

    Raises:
        ConfigError: nothing of the kind is published, or there is no such layout.
    """
    for name, kind in KINDS.items():
        if any(type(config) is type(one) for one in kind.published):
            chosen = layout or kind.layouts[0]
            if chosen not in kind.layouts:
                raise ConfigError(f"--layout {chosen}{nearest(chosen, kind.layouts)}")
            return Match(name, kind, config, chosen)
    raise ConfigError(f"{type(config).__name__}: no weights of this kind are published")


def _configs(
    kind: Kind, state: State, settings: Mapping[str, Any], wanted: str | None
) -> list[Config]:
    """What the settings say, else what is published, else what names and shapes say."""
    if settings:
        try:
            return [kind.config(settings)]
        except DAMAGED as error:  # settings of another kind fail in any way
            if wanted is None:
                return []
            lacking = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise CheckpointError(f"no {wanted}: its settings: {lacking}") from error
    found = list(kind.published)
    if kind.inferred is not None:
        with suppress(*DAMAGED):
            found.append(kind.inferred(state))
    return found


def _differences(match: Match, state: State) -> Differences:
    with torch.device("meta"):
        ours = match.config.build().state_dict()
    keys, found = match.keys, shapes(state)
    expected = shapes(keys.dump(ours))
    return compare(found, expected, {name: found[name] for name in keys.dropped(found)})


def _count(differences: Differences) -> int:
    return sum(map(len, (differences.missing, differences.unexpected, differences.misshaped)))


def _mmdit_config(public: Mapping[str, Any]) -> MMDiTConfig:
    known = flux.flux_config if "num_single_layers" in public else open_sora_2.mmdit_config
    return known(public)


def _mmdit_layout(state: State) -> str:
    if "x_embedder.weight" in state:
        return "diffusers"
    return "flux" if any(".qkv." in name for name in state) else "open_sora_2"


def _mmdit_keys(config: MMDiTConfig, layout: str) -> KeyMap:
    if layout == "diffusers":
        return flux.flux_key_map(config)
    fused = layout == "flux"
    return open_sora_2.mmdit_key_map(config, open_sora_2.Layout(fused=fused, interleaved=fused))


def _autoencoder(
    name: str,
    keys: Callable[[Any, Any], KeyMap],
    layout: Callable[[State], str] = lambda state: "original",
    layouts: tuple[str, ...] = ("original",),
) -> Kind:
    """A kind whose sizes the table of autoencoders knows."""
    known = AUTOENCODERS[name]
    return Kind(
        role="autoencoder",
        config=known.config,
        keys=keys,
        layouts=layouts,
        layout=layout,
        published=tuple(known.published.values()),
        inferred=known.inferred,
    )


KINDS: Mapping[str, Kind] = {
    "ltx": Kind(
        role="denoiser",
        config=ltx_video.transformer_config,
        keys=ltx_video.transformer_key_map,
        layouts=("original", "single_file", "diffusers"),
        layout=ltx_video.transformer_layout,
        published=(LTXConfig(), LTXConfig(causal_positions=True)),
    ),
    "mmdit": Kind(
        role="denoiser",
        config=_mmdit_config,
        keys=_mmdit_keys,
        layouts=("open_sora_2", "flux", "diffusers"),
        layout=_mmdit_layout,
        published=(MMDiTConfig(), MMDiTConfig(given=False), MMDiTConfig(given=False, guided=True)),
    ),
    "skiparse": Kind(
        role="denoiser",
        config=open_sora_plan_denoiser.denoiser_config,
        keys=lambda config, layout: open_sora_plan_denoiser.denoiser_key_map(config),
        published=(SkiparseConfig(),),
    ),
    "stdit": Kind(
        role="denoiser",
        config=open_sora_1.stdit_config,
        keys=lambda config, layout: open_sora_1.stdit_key_map(config),
        published=(STDiTConfig(),),
    ),
    "stdit2": Kind(
        role="denoiser",
        config=open_sora_1.stdit2_config,
        keys=lambda config, layout: open_sora_1.stdit2_key_map(config),
        published=(STDiT2Config(),),
    ),
    "image_kl": _autoencoder(
        "image_kl",
        image_kl.image_kl_key_map,
        image_kl.image_kl_layout,
        ("original", "diffusers", "early"),
    ),
    "stacked": _autoencoder(
        "stacked", lambda config, layout: open_sora_1_autoencoder.stacked_key_map(config)
    ),
    "wavelet_flow": _autoencoder(
        "wavelet_flow",
        open_sora_plan.wavelet_flow_key_map,
        open_sora_plan.wavelet_flow_layout,
        ("original", "renamed", "bare"),
    ),
    "causal_kl": _autoencoder("causal_kl", lambda config, layout: causal_kl.causal_kl_key_map()),
    "deep_compression": _autoencoder(
        "deep_compression", lambda config, layout: deep_compression.deep_compression_key_map()
    ),
    "denoising": _autoencoder(
        "denoising",
        ltx_video_autoencoder.autoencoder_key_map,
        ltx_video_autoencoder.autoencoder_layout,
        ("original", "single_file", "diffusers"),
    ),
    "t5": Kind(
        role="text",
        config=text_encoders.t5_config,
        keys=lambda config, layout: text_encoders.t5_key_map(T5_NAMES[layout]),
        layouts=("shared", "embedded", "both"),
        layout=lambda state: next(
            layout
            for layout in ("both", "embedded", "shared")
            if set(T5_NAMES[layout]) <= state.keys() or layout == "shared"
        ),
        published=(T5Config(),),
    ),
    "clip": Kind(
        role="text",
        config=text_encoders.clip_config,
        keys=lambda config, layout: text_encoders.clip_key_map(CLIP_NAMES[layout]),
        layouts=("text_model", "bare"),
        layout=lambda state: (
            "text_model" if any(name.startswith("text_model.") for name in state) else "bare"
        ),
        published=(CLIPConfig(),),
    ),
}
T5_NAMES: Mapping[str, tuple[str, ...]] = {
    "shared": (text_encoders.SHARED,),
    "embedded": (text_encoders.EMBEDDED,),
    "both": (text_encoders.SHARED, text_encoders.EMBEDDED),
}
CLIP_NAMES: Mapping[str, tuple[str, ...]] = {"text_model": ("text_model.",), "bare": ()}


def stacked_statistics(config: Config, tensors: Mapping[str, Tensor]) -> Config:
    """A stacked autoencoder's statistics are tensors of the file, and numbers of our config."""
    if not isinstance(config, StackedConfig) or not {"scale", "shift"} <= tensors.keys():
        return config
    scale, shift = (tuple(tensors[name].flatten().tolist()) for name in ("scale", "shift"))
    return replace(config, scale=scale, shift=shift)
