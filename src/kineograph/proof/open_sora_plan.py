"""Open-Sora Plan's autoencoder and rotary positions against stored vectors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from kineograph.autoencoders.wavelet_blocks import (
    Down,
    FrameAttention,
    Residual,
    UpFrame,
    UpVolume,
)
from kineograph.autoencoders.wavelet_flow import WaveletFlow, WaveletFlowConfig
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap, Rename
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import open_sora_plan as public
from kineograph.checkpoints.public.open_sora_plan_denoiser import axis_order
from kineograph.nn.conv import CausalConv
from kineograph.nn.embed import fold
from kineograph.nn.resample import DoubleTimeLinear, DoubleTimeNearest
from kineograph.nn.rotary import AxisPositions, grid_positions
from kineograph.nn.wavelet import VolumeHaar, haar_2d, inverse_haar_2d
from kineograph.proof.vector import Results, Vector
from kineograph.types import Posterior, replayed


def haar(vector: Vector) -> Results:
    """Both transforms there, back, and there and back, for several shapes of video."""
    outputs: dict[str, Tensor] = {}
    volume = VolumeHaar()
    for name, video in vector.inputs.items():
        case, part = name.split("/")
        if part != "video":
            continue
        outputs |= {
            f"{case}/haar2d": haar_2d(video),
            f"{case}/haar3d": volume.split(video),
            f"{case}/inverse2d": inverse_haar_2d(vector.inputs[f"{case}/coeffs2d"]),
            f"{case}/inverse3d": volume.merge(vector.inputs[f"{case}/coeffs3d"]),
            f"{case}/inverse2d_of_haar2d": inverse_haar_2d(haar_2d(video)),
            f"{case}/inverse3d_of_haar3d": volume.merge(volume.split(video)),
        }
    return Results(outputs)


def autoencoder(vector: Vector) -> Results:
    """Encode, draw, normalise, and decode both ways."""
    model, keys = load(vector, public.wavelet_flow_config(vector.config))
    given, outputs = vector.inputs, dict[str, Tensor]()
    dims = vector.outputs["kl"].ndim if "kl" in vector.outputs else 1
    if "pixels" in given:
        posterior = model.posterior(given["pixels"])
        logvar, noise = variance(posterior), given.get("posterior_noise")
        sample = posterior.sample(None if noise is None else replayed([noise]))
        normalised = model.normalise(sample)
        outputs |= {
            "moments": moments(posterior),
            "mean": posterior.mean,
            "logvar": logvar,
            "std": torch.exp(0.5 * logvar),
            "sample": sample,
            "normalised_latent": normalised,
            "kl": divergence(posterior, dims),
            "decoded_from_normalised": model.decode(normalised),
        }
    if "latent" in given:
        outputs["decoded"] = model.decode_raw(given["latent"])
    informative = frozenset({"kl"} if dims == 2 else ())
    return Results(outputs, keys.dump(model.state_dict()), informative=informative)


def causal_cache(vector: Vector) -> Results:
    """Coding in the reference's chunk sizes gives what coding the whole clip gives."""
    config = public.wavelet_flow_config(vector.config)
    model, keys = load(vector, config)
    # Tags v1.3.x count the encoder's chunks after the first transform, later code in pixels.
    spelling = public.wavelet_flow_layout(vector.state)
    pixel_frames = 2 if spelling == "original" else 1
    outputs: dict[str, Tensor] = {}
    for case in vector.meta["cases"]:
        name = case["case"]
        pixels, latents = vector.inputs[f"{name}/pixels"], vector.inputs[f"{name}/latent"]
        chunk = case["chunk_enc"] * pixel_frames // config.time_compression
        encoder, _ = load(vector, replace(config, chunk=chunk))
        decoder, _ = load(vector, replace(config, chunk=case["chunk_dec"]))
        outputs |= {
            f"{name}/moments_direct": moments(model.posterior(pixels)),
            f"{name}/moments_cached": moments(encoder.posterior(pixels)),
            f"{name}/decoded_direct": decoder.decode_raw(latents),
        }
    note = "decoded in chunks, and compared with the reference's decoding at once"
    return Results(outputs, keys.dump(model.state_dict()), note=note)


def modules(vector: Vector) -> Results:
    """Every kind of block by itself."""
    outputs: dict[str, Tensor] = {}
    dumped: dict[str, Tensor] = {}
    for tag, x in vector.inputs.items():
        state = {
            name.removeprefix(f"{tag}."): tensor
            for name, tensor in vector.state.items()
            if name.startswith(f"{tag}.")
        }
        module, keys = _module(tag, state)
        load_into(module.eval(), keys.load(state))
        outputs[tag] = module(x)
        dumped |= {f"{tag}.{n}": t for n, t in keys.dump(module.state_dict()).items()}
    return Results(outputs, dumped)


def rope(vector: Vector) -> Results:
    """Turned tokens, and the patches that tokens are made of."""
    settings = vector.config
    share = settings["head_dim"] // 3
    order = axis_order((share,) * 3, settings["head_dim"])
    lengths = [settings[side] for side in ("T", "H", "W")]
    units = first_of_a_length(lengths, settings["interpolation_scale_thw"])
    positions = AxisPositions(shares=(share,) * 3, units=units)
    sides = [torch.arange(length) for length in lengths]
    tokens = vector.inputs["tokens"].transpose(0, 1)
    turned = positions(grid_positions(sides, batch=1))(tokens[..., order])
    weight = rearrange(vector.state["proj.weight"].float(), "d c p q -> d (p q c)")
    patches = fold(vector.inputs["patch_latent"], vector.state["proj.weight"].shape[-1])
    outputs = {
        "tokens": turned[..., torch.argsort(order)].transpose(0, 1),
        "patch_tokens": functional.linear(patches, weight, vector.state["proj.bias"].float()),
    }
    return Results(outputs)


def first_of_a_length(lengths: Sequence[int], units: Sequence[float]) -> tuple[float, ...]:
    """The reference stores rotation tables by length only: the first axis of a length decides."""
    first: dict[int, float] = {}
    for length, unit in zip(lengths, units, strict=True):
        first.setdefault(length, unit)
    return tuple(first[length] for length in lengths)


def autoencoder_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size model."""
    config = public.wavelet_flow_config(manifest.config)
    with torch.device("meta"):
        state = config.build().state_dict()
    layout = public.wavelet_flow_layout(manifest.tensors)
    return shapes(public.wavelet_flow_key_map(config, layout).dump(state))


def load(vector: Vector, config: WaveletFlowConfig) -> tuple[WaveletFlow, KeyMap]:
    """The model with the vector's weights, and the map they came through."""
    keys = public.wavelet_flow_key_map(config, public.wavelet_flow_layout(vector.state))
    model = config.build().eval()
    load_into(model, keys.load(vector.state))
    return model, keys


def moments(posterior: Posterior) -> Tensor:
    """Mean and log-variance, stacked along the channels."""
    return torch.cat((posterior.mean, variance(posterior)), dim=1)


def divergence(posterior: Posterior, dims: int) -> Tensor:
    """(B,), or as in tags v1.3.x, which forget to sum over the width, (B, W)."""
    logvar = variance(posterior)
    terms = posterior.mean.square() + logvar.exp() - 1.0 - logvar
    return 0.5 * terms.sum(dim=(1, 2, 3) if dims == 2 else (1, 2, 3, 4))


def variance(posterior: Posterior) -> Tensor:
    """The log-variance, which a WF-VAE always has."""
    assert posterior.logvar is not None
    return posterior.logvar


def _module(tag: str, state: Mapping[str, Tensor]) -> tuple[nn.Module, KeyMap]:
    """A block by its tag, in the sizes of its weights; our names begin below it."""
    kind: Literal["layer", "group"] = "group" if "groupnorm" in tag else "layer"
    weight = next(t for name, t in state.items() if name.endswith("weight") and t.ndim > 1)
    outside, inside = weight.shape[:2]
    frame = "2d" in tag
    if tag.startswith("causal_conv"):
        kernel, bias = weight.shape[2], "conv.bias" in state
        stride = 2 if tag.endswith("s2") else 1
        conv = CausalConv(
            inside,
            outside,
            (kernel, kernel, kernel),
            stride=(stride, stride, stride),
            padding=1 if kernel == 3 else 0,
            bias=bias,
        )
        names = ("weight", "bias") if bias else ("weight",)
        return conv, KeyMap(tuple(Rename(f"conv.{name}", name) for name in names))
    if tag.startswith("attn"):
        attention = FrameAttention(inside, norm=kind)
        return attention, KeyMap(tuple(public.attention("", "", kind)))
    if tag.startswith("res"):
        block = Residual(inside, outside, time_kernel=1 if frame else 3, norm=kind, dropout=0.0)
        rules = public.residual("", "", kind, widens=inside != outside, frame=frame)
        return block, KeyMap(tuple(rules))
    rules = public.convolution("conv", "conv", frame=frame)
    return _resampler(tag, inside, outside), KeyMap(tuple(rules))


def _resampler(tag: str, inside: int, outside: int) -> nn.Module:
    if tag.startswith("down"):
        return Down(inside, outside, time_kernel=1 if "2d" in tag else 3)
    if "2d" in tag:
        return UpFrame(inside)
    double_time = DoubleTimeNearest() if "nearest" in tag else DoubleTimeLinear()
    return UpVolume(inside, outside, double_time)


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_plan/haar": haar,
    "open_sora_plan/wfvae": autoencoder,
    "open_sora_plan/wfvae/cache": causal_cache,
    "open_sora_plan/wfvae/modules": modules,
    "open_sora_plan/rope": rope,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "open_sora_plan/wfvae": autoencoder_manifest,
}
