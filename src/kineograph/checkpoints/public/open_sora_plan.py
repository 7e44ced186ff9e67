"""Public names of Open-Sora Plan: the autoencoder WF-VAE and its discriminator.

Three layouts of WF-VAE are in circulation. "original" is the code of tags v1.3.x (with its
spelling of "transform"), "renamed" the later code, which also stores the outermost transform,
and "bare" has no wavelet constants at all.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from kineograph.autoencoders.discriminator import PatchDiscriminatorConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.checkpoints.keymap import Constant, KeyMap, Rename, Reshape, Rule
from kineograph.errors import CheckpointError

Layout = Literal["original", "renamed", "bare"]
NormKind = Literal["layer", "group"]
Rules = list[Rule]
T = TypeVar("T")

# Which axes a filter takes the difference along, by its public name.
VOLUME_FILTERS = {
    "h": "",
    "g": "x",
    "hh": "y",
    "gh": "yx",
    "h_v": "t",
    "g_v": "tx",
    "hh_v": "ty",
    "gh_v": "tyx",
}
PLANE_FILTERS = {"aa": "", "ad": "y", "da": "x", "dd": "yx"}


def wavelet_flow_config(public: Mapping[str, Any]) -> WaveletFlowConfig:
    """The config that a public `config.json` describes.

    Statistics of another length than the latent channels are left out: the 16-channel
    model was published with the four values of its predecessor.
    """
    latents = int(public["latent_dim"])
    scale, shift = tuple(public["scale"]), tuple(public["shift"])
    fitting = len(scale) == len(shift) == latents
    return WaveletFlowConfig(
        latent_channels=latents,
        base=public["base_channels"],
        encoder_blocks=public["encoder_num_resblocks"],
        decoder_blocks=public["decoder_num_resblocks"],
        connect_blocks=public["connect_res_layer_num"],
        encoder_energy=public["encoder_energy_flow_hidden_size"],
        decoder_energy=public["decoder_energy_flow_hidden_size"],
        attention=public["use_attention"],
        norm=_choice(public, "norm_type", {"layernorm": "layer", "groupnorm": "group"}),
        time_interpolation=_choice(
            public, "t_interpolation", {"trilinear": "linear", "nearest": "nearest"}
        ),
        time_compression=_time_compression(public),
        dropout=public["dropout"],
        scale=scale if fitting else (),
        shift=shift if fitting else (),
    )


def wavelet_flow_layout(keys: Iterable[str]) -> Layout:
    """Which layout the names of a checkpoint follow."""
    names = set(keys)
    if any("wavelet_tranform" in name for name in names):
        return "original"
    return "renamed" if any("wavelet_transform" in name for name in names) else "bare"


def wavelet_flow_key_map(config: WaveletFlowConfig, layout: Layout) -> KeyMap:
    """All names of a WF-VAE."""
    return KeyMap((*_encoder(config), *_decoder(config), *_constants(config, layout)))


def discriminator_key_map(config: PatchDiscriminatorConfig) -> KeyMap:
    """All names of the discriminator: layers are numbered, with those that have no weights."""
    step = 4 if config.dropout else 3
    rules: Rules = [Rename("main.0.{rest}", "enter.{rest}")]
    for i in range(config.layers):
        rules.append(Rename(f"main.{2 + step * i}.weight", f"stages.{i}.conv.weight"))
        rules.append(Rename(f"main.{3 + step * i}.{{rest}}", f"stages.{i}.norm.{{rest}}"))
    rules.append(Rename(f"main.{2 + step * config.layers}.{{rest}}", "out.{rest}"))
    return KeyMap(tuple(rules))


def convolution(public: str, ours: str, *, frame: bool = False) -> Rules:
    """A causal convolution; `frame`: public 2D weights, which we keep with a time kernel of 1."""
    if frame:
        weight: Rule = Reshape(f"{public}.weight", f"{ours}.weight", "o i y x -> o i 1 y x")
        return [weight, Rename(f"{public}.bias", f"{ours}.bias")]
    return [Rename(f"{public}.conv.{name}", f"{ours}.{name}") for name in ("weight", "bias")]


def norm(public: str, ours: str, kind: NormKind) -> Rules:
    """A norm; the public layer norm is wrapped once more."""
    wrapped = f"{public}.norm" if kind == "layer" else public
    return [Rename(f"{wrapped}.{name}", f"{ours}.{name}") for name in ("weight", "bias")]


def residual(
    public: str, ours: str, kind: NormKind, *, widens: bool = False, frame: bool = False
) -> Rules:
    """A residual block; `widens`: its width changes, so that its shortcut has weights."""
    rules = norm(f"{public}norm1", f"{ours}norm_1", kind)
    rules += norm(f"{public}norm2", f"{ours}norm_2", kind)
    rules += convolution(f"{public}conv1", f"{ours}conv_1", frame=frame)
    rules += convolution(f"{public}conv2", f"{ours}conv_2", frame=frame)
    if widens:
        rules += convolution(f"{public}nin_shortcut", f"{ours}shortcut", frame=frame)
    return rules


def attention(public: str, ours: str, kind: NormKind) -> Rules:
    """Attention inside a frame: public 1 x 1 x 1 convolutions are our linear layers."""
    rules = norm(f"{public}norm", f"{ours}norm", kind)
    for theirs, name in (("q", "query"), ("k", "key"), ("v", "value"), ("proj_out", "out")):
        weight = Reshape(
            f"{public}{theirs}.conv.weight", f"{ours}{name}.weight", "o i 1 1 1 -> o i"
        )
        rules += [weight, Rename(f"{public}{theirs}.conv.bias", f"{ours}{name}.bias")]
    return rules


def _encoder(config: WaveletFlowConfig) -> Rules:
    count, kind = config.encoder_blocks, config.norm
    outer, inner = (
        ("encoder.down1.", "encoder.down_outer."),
        ("encoder.down2.", "encoder.down_inner."),
    )
    rules = convolution("encoder.connect_l1", "encoder.connect_outer", frame=True)
    rules += convolution("encoder.connect_l2", "encoder.connect_inner", frame=True)
    for public, ours in (outer, inner):
        rules += convolution(f"{public}0", f"{ours}0", frame=True)
        for i in range(1, count + 1):
            frame = public == outer[0]
            rules += residual(f"{public}{i}.", f"{ours}{i}.", kind, frame=frame)
    last = f"{count + 1}.conv"
    rules += convolution(outer[0] + last, outer[1] + last, frame=config.time_compression == 4)
    rules += convolution(inner[0] + last, inner[1] + last)
    widens = config.encoder_energy != 2 * config.base  # 2 base + energy channels -> 4 base
    rules += _middle("encoder.", config, widens=(widens, False))
    rules += norm("encoder.norm_out", "encoder.norm", kind)
    return rules + convolution("encoder.conv_out", "encoder.out")


def _decoder(config: WaveletFlowConfig) -> Rules:
    count, kind = config.decoder_blocks, config.norm
    rules = convolution("decoder.conv_in", "decoder.enter")
    rules += _middle("decoder.", config, widens=(False, True))
    for i in range(count):
        rules += residual(f"decoder.up2.{i}.", f"decoder.up_inner.{i}.", kind)
        widens = i == 0
        rules += residual(f"decoder.up1.{i}.", f"decoder.up_outer.{i}.", kind, widens=widens)
    rules += convolution(f"decoder.up2.{count}.conv", f"decoder.up_inner.{count}.conv")
    frame = config.time_compression == 4
    rules += convolution(f"decoder.up1.{count}.conv", f"decoder.up_outer.{count}.conv", frame=frame)
    after = count + 1
    rules += residual(f"decoder.up2.{after}.", f"decoder.up_inner.{after}.", kind, widens=True)
    rules += residual(f"decoder.up1.{after}.", f"decoder.up_outer.{after}.", kind)
    rules += residual("decoder.layer.0.", "decoder.last.0.", kind, widens=True)
    rules += residual("decoder.layer.1.", "decoder.last.1.", kind)
    for public, ours in (("connect_l1", "connect_outer"), ("connect_l2", "connect_inner")):
        for i in range(config.connect_blocks):
            rules += residual(f"decoder.{public}.{i}.", f"decoder.{ours}.{i}.", kind)
        i = config.connect_blocks
        rules += convolution(f"decoder.{public}.{i}", f"decoder.{ours}.{i}", frame=True)
    rules += norm("decoder.norm_out", "decoder.norm", kind)
    return rules + convolution("decoder.conv_out", "decoder.out", frame=True)


def _middle(coder: str, config: WaveletFlowConfig, *, widens: tuple[bool, bool]) -> Rules:
    public, ours = f"{coder}mid.", f"{coder}middle."
    rules = residual(f"{public}0.", f"{ours}0.", config.norm, widens=widens[0])
    if config.attention:
        rules += attention(f"{public}1.", f"{ours}1.", config.norm)
    last = 2 if config.attention else 1
    return rules + residual(f"{public}{last}.", f"{ours}{last}.", config.norm, widens=widens[1])


def _constants(config: WaveletFlowConfig, layout: Layout) -> Rules:
    if layout == "bare":
        return []
    word = "wavelet_tranform" if layout == "original" else "wavelet_transform"
    volume = config.time_compression == 8
    rules = _filters(f"encoder.{word}_l1.", volume=volume, wrapped=True)
    rules += _filters(f"encoder.{word}_l2.", volume=True, wrapped=True)
    rules += _filters(f"decoder.inverse_{word}_l1.", volume=volume, wrapped=False)
    rules += _filters(f"decoder.inverse_{word}_l2.", volume=True, wrapped=False)
    if layout == "renamed":
        rules += _filters(f"encoder.{word}_in.", volume=True, wrapped=True)
        rules += _filters(f"decoder.inverse_{word}_out.", volume=True, wrapped=False)
    return rules


def _filters(public: str, *, volume: bool, wrapped: bool) -> Rules:
    """The filters of one transform; the encoder's 3D ones are wrapped in convolutions."""
    if not volume:
        return [
            Constant(public + name, partial(haar_filter, "yx", axes, 0.5))
            for name, axes in PLANE_FILTERS.items()
        ]
    ending = "_conv.conv.weight" if wrapped else ""
    return [
        Constant(public + name + ending, partial(haar_filter, "tyx", axes, 0.3536))
        for name, axes in VOLUME_FILTERS.items()
    ]


def haar_filter(axes: str, differences: str, gain: float) -> Tensor:
    """(1, 1, 2, ...): sum along an axis, or first minus second where it is in `differences`."""
    kernel = torch.tensor(gain)
    for axis in axes:
        taps = torch.tensor([1.0, -1.0 if axis in differences else 1.0])
        kernel = kernel[..., None] * taps
    return kernel[None, None]


def _time_compression(public: Mapping[str, Any]) -> Literal[4, 8]:
    """Whether the second level halves time: all four of its blocks must say the same."""
    blocks = {
        "l1_dowmsample_block": ("Downsample", "Spatial2xTime2x3DDownsample"),
        "l1_downsample_wavelet": ("HaarWaveletTransform2D", "HaarWaveletTransform3D"),
        "l1_upsample_block": ("Upsample", "Spatial2xTime2x3DUpsample"),
        "l1_upsample_wavelet": ("InverseHaarWaveletTransform2D", "InverseHaarWaveletTransform3D"),
    }
    halves = {
        _choice({name: public.get(name, frame)}, name, {frame: False, volume: True})
        for name, (frame, volume) in blocks.items()
    }
    if len(halves) > 1:
        raise CheckpointError(
            "the l1 blocks disagree on whether time is halved: expected all of "
            "Downsample, Upsample and 2D transforms, or all of the 3D ones"
        )
    return 8 if halves.pop() else 4


def _choice(public: Mapping[str, Any], name: str, choices: Mapping[str, T]) -> T:
    value = public[name]
    if value not in choices:
        raise CheckpointError(f"{name} = {value!r}: expected one of {', '.join(choices)}")
    return choices[value]
