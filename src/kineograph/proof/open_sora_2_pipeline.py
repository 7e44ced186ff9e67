"""Open-Sora 2.0 from prompts, pictures and noise to pixels, against stored vectors."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from kineograph.autoencoders.causal_kl import CausalKL
from kineograph.autoencoders.deep_compression import DeepCompression
from kineograph.autoencoders.image_kl import ImageKL
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.public import causal_kl, deep_compression, image_kl
from kineograph.conditioning.channels import GivenChannels
from kineograph.data.aspects import open_sora_2, rounded_up
from kineograph.proof.open_sora_2 import load
from kineograph.proof.open_sora_2_sampling import Captions, sampled
from kineograph.proof.open_sora_2_training import given_frames
from kineograph.proof.vector import Results, Vector
from kineograph.types import Given, Known, TextEmbedding

NOTHING = "EMPTY"  # the name of the empty prompt
# As published: given frames are put back into the first sample of a batch only.
INJECTION = GivenChannels(pasted="first")


@dataclass(frozen=True, eq=False)
class _Coder:
    """An autoencoder, its key map, and how many pixel frames its first latent frame has."""

    module: CausalKL | DeepCompression | ImageKL
    keys: KeyMap
    first: int


def pipeline(vector: Vector) -> Results:
    """Noise from a seed, given frames encoded, sampled, put back, decoded and cut to length."""
    config, sampling = vector.config, vector.config["sampling"]
    part = vector.part(config["model"], "model/")
    model, keys = load(part.config, part.state)
    coder = _coder(vector.part(config["ae"], "ae/"))
    start = _noise(vector, model.config.channels)
    known = _known(vector, coder, start)
    wanted = _captions(vector, config["texts"])
    guided = sampling.get("method", "i2v") != "distill"
    unwanted = config.get("negative") or [NOTHING] * len(start)
    negative = _captions(vector, unwanted) if guided else None
    latents = sampled(model, sampling, start, Captions(wanted, negative), known)
    video = coder.module.decode(INJECTION.leave(latents, known))
    state = {f"model/{name}": x for name, x in keys.dump(model.state_dict()).items()}
    coded = coder.keys.dump(coder.module.state_dict())
    state |= {f"ae/{name}": x for name, x in coded.items()}
    return Results({"video": video[:, :, : sampling["num_frames"]]}, state)


def _noise(vector: Vector, channels: int) -> Tensor:
    """The start, (B, C, F, H, W), of whole patches."""
    config, sampling = vector.config, vector.config["sampling"]
    frames, time = sampling["num_frames"], sampling["temporal_reduction"]
    causal = sampling.get("is_causal_vae", True)
    count = (frames - 1) // time + 1 if causal else max(1, frames // time)
    patch, space = config["patch_size"], config["ae_spatial_compression"]
    height, width = (patch * math.ceil(side / space) for side in _size(sampling, space))
    generator = torch.Generator().manual_seed(config["seed"])
    return torch.randn(len(config["texts"]), channels, count, height, width, generator=generator)


def _size(sampling: Mapping[str, Any], space: int) -> tuple[int, int]:
    """Height and width in pixels: a size class and a shape go before numbers."""
    height, width = sampling["height"], sampling["width"]
    if name := sampling.get("resolution"):
        shape = open_sora_2(name, multiple=space, training=False).named(sampling["aspect_ratio"])
        height, width = shape.height, shape.width
    return rounded_up(height, width)


def _known(vector: Vector, coder: _Coder, start: Tensor) -> Known | None:
    """What the mode gives of each sample's own clips; None: nothing."""
    sampling, mode = vector.config["sampling"], vector.config.get("mode", "t2v")
    time = sampling["temporal_reduction"]
    head, tail = given_frames(mode, time, sampling.get("is_causal_vae", True))
    if head + tail == 0 or start.shape[2] == 1:
        return None
    clips = [vector.inputs[n] for n in sorted(vector.inputs) if n.startswith("ref_video_")]
    length = coder.first + (start.shape[2] - 1) * time
    frames = start.new_zeros(len(start), 3, length, *clips[0].shape[2:])
    strength = torch.zeros_like(frames[:, :1])
    for row, own in enumerate(_shared_out(clips, len(start))):
        if head:
            frames[row, :, :head] = own[0][:, :head]
            strength[row, :, :head] = 1.0
        if tail:
            frames[row, :, -tail:] = own[-1][:, -tail:]
            strength[row, :, -tail:] = 1.0
    return INJECTION.known(Given(frames, strength), coder.module, None)


def _shared_out(clips: Sequence[Tensor], samples: int) -> list[Sequence[Tensor]]:
    """The clips of each sample: as many for each, or all for all where there are fewer."""
    each = len(clips) // samples
    return [clips[row * each : (row + 1) * each] if each else clips for row in range(samples)]


def _captions(vector: Vector, prompts: Sequence[str]) -> TextEmbedding:
    """Stored embeddings of prompts."""
    names = [prompt or NOTHING for prompt in prompts]
    return TextEmbedding(
        torch.stack([vector.inputs[f"txt/{name}"] for name in names]),
        pooled=torch.stack([vector.inputs[f"y_vec/{name}"] for name in names]),
    )


def _coder(vector: Vector) -> _Coder:
    """The autoencoder that the config describes: the causal one, Video DC-AE, or FLUX's."""
    module: CausalKL | DeepCompression | ImageKL
    if "ch_mult" in vector.config:
        pictures, first = image_kl.image_kl_config(vector.config), 1
        keys = image_kl.image_kl_key_map(pictures, image_kl.image_kl_layout(vector.state))
        module = pictures.build()
    elif "encoder" in vector.config:
        own = replace(deep_compression.deep_compression_config(vector.config), short_ends=True)
        keys, module = deep_compression.deep_compression_key_map(), own.build()
        first = vector.config["time_compression_ratio"]
    else:
        keys, first = causal_kl.causal_kl_key_map(), 1
        module = causal_kl.causal_kl_config(vector.config).build()
    load_into(module.eval(), keys.load(vector.state))
    return _Coder(module, keys, first)


VECTORS: Mapping[str, Callable[[Vector], Results]] = {"open_sora_2/pipeline": pipeline}
