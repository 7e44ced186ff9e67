"""Public names and configs of LTX-Video's autoencoder.

Layouts: "original" is the authors' code, "single_file" the same names below a prefix, as in the
published files that also hold the transformer, "diffusers" the folder of that library. The first
two number all stages; the last one has blocks, each around one run of residual blocks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

from kineograph.autoencoders.denoising import DenoisingConfig, Down, Up
from kineograph.autoencoders.denoising_blocks import Stride
from kineograph.autoencoders.denoising_stages import (
    Attended,
    Folded,
    Residuals,
    Strided,
    Transition,
    Unfolded,
)
from kineograph.checkpoints.keymap import KeyMap, Optional, Rename, Rule
from kineograph.errors import CheckpointError

Layout = Literal["original", "single_file", "diffusers"]
Rules = list[Rule]
Choice = TypeVar("Choice")
PREFIX = "vae."
STATISTICS = "per_channel_statistics."

# What every published autoencoder says, and the only thing that ours does; a config may also
# say nothing.
FIXED: Mapping[str, tuple[object, ...]] = {
    "dims": (3,),
    "encoder_causal": (True,),
    "in_channels": (3,),
    "norm_layer": ("pixel_norm",),
    "out_channels": (3,),
    "patch_size_t": (1,),
    "scaling_factor": (1.0,),
    "use_quant_conv": (False,),
}
BORDERS: Mapping[str, Literal["zeros", "replicate"]] = {"zeros": "zeros", "replicate": "replicate"}
VARIANCES: Mapping[str, Literal["shared", "each"]] = {"uniform": "shared", "per_channel": "each"}
AXES: Mapping[str, Stride] = {"all": (2, 2, 2), "space": (1, 2, 2), "time": (2, 1, 1)}
DOWNSAMPLERS: Mapping[str, Stride] = {
    "spatial": (1, 2, 2),
    "temporal": (2, 1, 1),
    "spatiotemporal": (2, 2, 2),
}


def autoencoder_config(public: Mapping[str, Any]) -> DenoisingConfig:
    """The config that a public `config.json`, or the entry in a single file, describes.

    Raises:
        CheckpointError: it asks for something that no published autoencoder has.
    """
    for name, allowed in FIXED.items():
        if name in public and public[name] not in allowed:
            raise CheckpointError(f"{name} = {public[name]!r}: expected {allowed[0]!r}")
    return _from_diffusers(public) if "block_out_channels" in public else _from_original(public)


def autoencoder_layout(keys: Iterable[str]) -> Layout:
    """Which layout the names of a checkpoint follow."""
    names = list(keys)
    if any(name.startswith(PREFIX) for name in names):
        return "single_file"
    return "diffusers" if any(".mid_block." in name for name in names) else "original"


def autoencoder_key_map(config: DenoisingConfig, layout: Layout) -> KeyMap:
    """All names of the autoencoder."""
    diffusers = layout == "diffusers"
    prefix = PREFIX if layout == "single_file" else ""
    public = {"mean": f"{STATISTICS}mean-of-means", "std": f"{STATISTICS}std-of-means"}
    if diffusers:
        public = {"mean": "latents_mean", "std": "latents_std"}
    rules: Rules = [Rename(prefix + name, ours) for ours, name in public.items()]
    if not diffusers:
        extra = ("channel", "mean-of-stds", "mean-of-stds_over_std-of-means")
        rules += [Optional(f"{prefix}{STATISTICS}{name}") for name in extra]
    for half, stages in (("encoder", config.encoder), ("decoder", config.decoder)):
        rules += _convolution(f"{prefix}{half}.conv_in.conv", f"{half}.enter")
        rules += _convolution(f"{prefix}{half}.conv_out.conv", f"{half}.out")
        places = _blocks(half, stages) if diffusers else _numbered(half, len(stages))
        for i, (place, stage) in enumerate(zip(places, stages, strict=True)):
            timed = config.timed and half == "decoder"
            rules += _stage(stage, f"{prefix}{place}.", f"{half}.stages.{i}.", layout, timed)
    if config.timed:
        last = "" if diffusers else "last_"
        decoder = f"{prefix}decoder."
        rules += _time(f"{decoder}{last}time_embedder", "decoder.last.time")
        rules.append(Rename(f"{decoder}{last}scale_shift_table", "decoder.last.table"))
        rules.append(Rename(f"{decoder}timestep_scale_multiplier", "decoder.last.scale"))
    return KeyMap(tuple(rules))


def _numbered(half: str, count: int) -> Iterator[str]:
    """Where the original has its stages."""
    blocks = "down_blocks" if half == "encoder" else "up_blocks"
    return (f"{half}.{blocks}.{i}" for i in range(count))


def _blocks(half: str, stages: Sequence[Down | Up]) -> Iterator[str]:
    """Where diffusers has them.

    A block of its encoder begins with a run of residual blocks, one of its decoder ends with
    one. The encoder's last run and the decoder's first are the middle.
    """
    runs = sum(isinstance(stage, Residuals) for stage in stages)
    seen = 0
    for stage in stages:
        if isinstance(stage, Residuals):
            seen += 1
            middle = seen == runs if half == "encoder" else seen == 1
            number = seen - 1 if half == "encoder" else seen - 2
            down = "down_blocks" if half == "encoder" else "up_blocks"
            yield f"{half}.mid_block" if middle else f"{half}.{down}.{number}"
        elif half == "encoder":
            part = "conv_out" if isinstance(stage, Transition) else "downsamplers.0"
            yield f"encoder.down_blocks.{seen - 1}.{part}"
        else:
            part = "conv_in" if isinstance(stage, Transition) else "upsamplers.0"
            yield f"decoder.up_blocks.{seen - 1}.{part}"


def _stage(stage: Down | Up, public: str, ours: str, layout: Layout, timed: bool) -> Rules:
    """All names of one stage."""
    diffusers = layout == "diffusers"
    if isinstance(stage, Strided):
        return _convolution(f"{public}conv", f"{ours}conv")
    if isinstance(stage, Folded):
        return _convolution(f"{public}conv.conv", f"{ours}conv")
    if isinstance(stage, Unfolded):
        return _convolution(
            f"{public}conv.conv", f"{ours}up.conv" if stage.straight else f"{ours}conv"
        )
    if isinstance(stage, Transition):
        inner = f"{ours}blocks.0."
        norm, shortcut = (
            ("norm3", "conv_shortcut.conv") if diffusers else ("norm3.norm", "conv_shortcut")
        )
        return [
            *_convolution(f"{public}conv1.conv", f"{inner}conv_1"),
            *_convolution(f"{public}conv2.conv", f"{inner}conv_2"),
            *_convolution(f"{public}{norm}", f"{inner}shortcut.0"),
            *_convolution(f"{public}{shortcut}", f"{inner}shortcut.1"),
            *(_noise(public, inner) if stage.noise else []),
        ]
    theirs = f"{public}{'resnets' if diffusers else 'res_blocks'}.{{i}}."
    inner = f"{ours}blocks.{{i}}."
    rules: Rules = []
    if isinstance(stage, Attended):
        rules += _attention(f"{public}attention_blocks.{{i}}.", f"{inner}attention.")
        inner += "residual."
    rules += _convolution(f"{theirs}conv1.conv", f"{inner}conv_1")
    rules += _convolution(f"{theirs}conv2.conv", f"{inner}conv_2")
    if stage.noise:
        rules += _noise(theirs, inner)
    if timed:
        rules += _time(f"{public}time_embedder", f"{ours}time")
        rules.append(Rename(f"{theirs}scale_shift_table", f"{ours}tables.{{i}}"))
    return rules


def _attention(public: str, ours: str) -> Rules:
    """All projections, and the norms of queries and keys."""
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "out"}
    names |= {"q_norm": "query_norm", "k_norm": "key_norm"}
    return [
        Rename(f"{public}{theirs}.{{rest}}", f"{ours}{name}.{{rest}}")
        for theirs, name in names.items()
    ]


def _noise(public: str, ours: str) -> Rules:
    """How much noise each channel gets behind the two convolutions of a residual block."""
    return [Rename(f"{public}per_channel_scale{i}", f"{ours}noise_{i}.size") for i in (1, 2)]


def _convolution(public: str, ours: str) -> Rules:
    """Weight and bias."""
    return [Rename(f"{public}.{name}", f"{ours}.{name}") for name in ("weight", "bias")]


def _time(public: str, ours: str) -> Rules:
    """The two layers of an embedding of time."""
    layers = {"linear_1": "first", "linear_2": "second"}
    return [
        Rename(f"{public}.timestep_embedder.{theirs}.{{rest}}", f"{ours}.{name}.{{rest}}")
        for theirs, name in layers.items()
    ]


def _from_original(public: Mapping[str, Any]) -> DenoisingConfig:
    shared = public.get("blocks", ())
    base = public.get("decoder_base_channels", 128)
    blocks = [_settings(block) for block in reversed(public.get("decoder_blocks", shared))]
    start = width = base * _growth(blocks)
    decoder: list[Up] = []
    for name, settings in blocks:
        decoder.append(_up(name, settings, width))
        width = decoder[-1].behind(width)
    width = public.get("encoder_base_channels", 128)
    encoder: list[Down] = []
    for name, settings in map(_settings, public.get("encoder_blocks", shared)):
        encoder.append(_down(name, settings, width))
        width = encoder[-1].behind(width)
    return DenoisingConfig(
        latent_channels=public["latent_channels"],
        patch=public.get("patch_size", 1),
        encoder_base=public.get("encoder_base_channels", 128),
        encoder=tuple(encoder),
        decoder_base=start,
        decoder=tuple(decoder),
        borders=_choice(public, "spatial_padding_mode", "zeros", BORDERS),
        variance=_choice(public, "latent_log_var", "uniform", VARIANCES),
        timed=public.get("timestep_conditioning", False),
        causal_decoder=public.get("causal_decoder", False),
    )


def _choice(
    public: Mapping[str, Any], name: str, usual: str, choices: Mapping[str, Choice]
) -> Choice:
    """Our word for what a setting says."""
    value = public.get(name, usual)
    if value not in choices:
        raise CheckpointError(f"{name} = {value!r}: expected one of {', '.join(choices)}")
    return choices[value]


def _settings(block: Sequence[Any]) -> tuple[str, Mapping[str, Any]]:
    """A block's name and settings; a number is how many layers it has."""
    name, settings = block
    return name, settings if isinstance(settings, Mapping) else {"num_layers": settings}


def _growth(blocks: Sequence[tuple[str, Mapping[str, Any]]]) -> int:
    """By how much the decoder's first width exceeds its base."""
    growth = 1
    for name, settings in blocks:
        if name == "res_x_y" or name.startswith("compress"):
            growth *= settings.get("multiplier", 2 if name == "res_x_y" else 1)
    return growth


def _down(name: str, settings: Mapping[str, Any], width: int) -> Down:
    """A stage of the encoder behind `width` channels."""
    if name == "res_x":
        return Residuals(blocks=settings["num_layers"])
    wider = settings.get("multiplier", 2) * width
    if name == "res_x_y":
        return Transition(channels=wider)
    words = name.split("_")
    if words[0] == "compress" and words[1] in AXES:
        stride = AXES[words[1]]
        if words[2:] == ["res"]:
            return Folded(stride=stride, channels=wider)
        if words[2:] in ([], ["x", "y"]):
            return Strided(stride=stride, channels=wider if words[2:] else width)
    raise CheckpointError(f"encoder block {name!r}: expected res_x, res_x_y or compress_...")


def _up(name: str, settings: Mapping[str, Any], width: int) -> Up:
    """A stage of the decoder behind `width` channels; its time and space keep their width."""
    noise = settings.get("inject_noise", False)
    if name == "res_x":
        return Residuals(blocks=settings["num_layers"], noise=noise)
    if name == "attn_res_x":
        head = settings["attention_head_dim"]
        return Attended(blocks=settings["num_layers"], head_width=head, noise=noise)
    if name == "res_x_y":
        return Transition(channels=width // settings.get("multiplier", 2), noise=noise)
    words = name.split("_")
    if words[0] == "compress" and words[1] in AXES and len(words) == 2:
        whole = words[1] == "all"
        return Unfolded(
            stride=AXES[words[1]],
            channels=width // settings.get("multiplier", 1) if whole else width,
            straight=whole and settings.get("residual", False),
        )
    raise CheckpointError(f"decoder block {name!r}: expected res_x, res_x_y or compress_...")


def _from_diffusers(public: Mapping[str, Any]) -> DenoisingConfig:
    base, *_ = public["block_out_channels"]
    decoder_base = public["decoder_block_out_channels"][-1]
    return DenoisingConfig(
        latent_channels=public["latent_channels"],
        patch=public.get("patch_size", 4),
        encoder_base=base,
        encoder=tuple(_diffusers_encoder(public)),
        decoder_base=decoder_base,
        decoder=tuple(_diffusers_decoder(public)),
        timed=public.get("timestep_conditioning", False),
        causal_decoder=public.get("decoder_causal", False),
    )


def _diffusers_encoder(public: Mapping[str, Any]) -> Iterator[Down]:
    """Blocks: a run of residual blocks, then smaller, then wider; the last run is the middle."""
    widths, layers = public["block_out_channels"], public["layers_per_block"]
    folds = "LTXVideo095DownBlock3D" in public.get("down_block_types", ())
    behind = widths[1:] if folds else [*widths[1:], widths[-1]]
    scaling = public.get("spatio_temporal_scaling", (True, True, True, False))
    samplers = public.get("downsample_type", ("conv",) * len(behind))
    width = widths[0]
    for count, wider, scales, sampler in zip(layers, behind, scaling, samplers, strict=False):
        yield Residuals(blocks=count)
        if scales and folds:
            if sampler not in DOWNSAMPLERS:
                raise CheckpointError(
                    f"downsample_type {sampler!r}: expected one of {', '.join(DOWNSAMPLERS)}"
                )
            yield Folded(stride=DOWNSAMPLERS[sampler], channels=wider)
        elif scales:
            yield Strided(channels=width)
        if wider != width and not folds:
            yield Transition(channels=wider)
        width = wider
    yield Residuals(blocks=layers[-1])


def _diffusers_decoder(public: Mapping[str, Any]) -> Iterator[Up]:
    """The middle, then blocks: narrower, larger, a run of residual blocks."""
    widths = public["decoder_block_out_channels"][::-1]
    count = len(widths)
    layers = public["decoder_layers_per_block"][::-1]
    noise = public.get("decoder_inject_noise", (False,) * (count + 1))[::-1]
    scaling = public.get("decoder_spatio_temporal_scaling", (True, True, True, False))[::-1]
    straight = public.get("upsample_residual", (False,) * count)[::-1]
    factors = public.get("upsample_factor", (1,) * count)[::-1]
    yield Residuals(blocks=layers[0], noise=noise[0])
    width = widths[0]
    for i, wide in enumerate(widths):
        width, narrow = width // factors[i], wide // factors[i]
        if width != narrow:
            yield Transition(channels=narrow, noise=noise[i + 1])
        if scaling[i]:
            yield Unfolded(channels=narrow, straight=straight[i])
        yield Residuals(blocks=layers[i + 1], noise=noise[i + 1])
        width = narrow
