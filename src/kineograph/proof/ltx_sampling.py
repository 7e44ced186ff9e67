"""What whole samplings of LTX-Video have in common: a miniature checkpoint, stored draws, the loop.

The original draws its noise as tokens (B, N, C), diffusers as latents (B, C, F, H, W); what was
drawn is stored in order.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kineograph.autoencoders.denoising import Denoising
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.public import ltx_video, ltx_video_autoencoder
from kineograph.conditioning.keyframes import Clean, Item, KeyFrames, Renoised
from kineograph.denoisers.ltx import LTX
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.samplers import Euler, Renoise
from kineograph.diffusion.sampling import Look, sample
from kineograph.proof.vector import Vector, read_vector
from kineograph.types import Condition, Draws, Grid, Guidance, TextEmbedding, replayed


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """One sampling of the reference, in our words.

    times: (S + 1,). items: what is given, entering the start and each step as `entering` says.
    start: latents (B, C, F, H, W) to start from, noised to the first time; None: noise alone.
    noise_first: whether the start's noise is drawn before the items are encoded.
    """

    times: Tensor
    guidance: Guidance
    sampler: Euler | Renoise = field(default_factory=Euler)
    items: Sequence[Item] = ()
    entering: Clean | Renoised = field(default_factory=Clean)
    start: Tensor | None = None
    noise_first: bool = True


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The miniature model and autoencoder, and the names of both in public."""

    model: LTX
    autoencoder: Denoising
    model_keys: KeyMap
    autoencoder_keys: KeyMap

    def dump(self) -> dict[str, Tensor]:
        """The weights under their public names."""
        return {
            **self.model_keys.dump(self.model.state_dict()),
            **self.autoencoder_keys.dump(self.autoencoder.state_dict()),
        }


@dataclass(frozen=True, eq=False)
class Setting:
    """What a vector samples with: a checkpoint, the latents' size (B, C, F, H, W), stored draws."""

    checkpoint: Checkpoint
    shape: tuple[int, int, int, int, int]
    draws: Draws

    @property
    def grid(self) -> Grid:
        """F, H, W."""
        return Grid(*self.shape[2:])

    @property
    def blocks(self) -> int:
        """How many the denoiser has."""
        return self.checkpoint.model.config.layers


def sampled(vector: Vector, setting: Setting, run: Run, fps: float) -> Tensor:
    """From the stored draws to latents (B, C, F, H, W)."""
    causal = setting.checkpoint.model.config.causal_positions
    injection = KeyFrames(causal=causal, entering=run.entering)
    encode, like = setting.checkpoint.autoencoder.encode, torch.zeros(setting.shape)
    noise = setting.draws(setting.shape) if run.noise_first else like
    known = injection.place(run.items, like, encode, setting.draws) if run.items else None
    if not run.noise_first:
        noise = setting.draws(setting.shape)
    start = noise if run.start is None else torch.lerp(run.start, noise, run.times[0])
    text, empty = text_pair(vector, setting.shape[0])
    look = Look(
        denoiser=setting.checkpoint.model,
        process=Process(path=RectifiedFlow(), prediction=Velocity(), injection=injection),
        guidance=run.guidance,
        condition=Condition(text, known, {"fps": torch.full((setting.shape[0],), float(fps))}),
        empty=empty,
    )
    return sample(look, run.sampler, start, run.times, setting.draws)


def text_pair(vector: Vector, samples: int) -> tuple[TextEmbedding, TextEmbedding]:
    """The prompts, again where there are several videos of each, and what guidance leads away from.

    By default that is nothing at all.
    """
    given = vector.inputs
    times = samples // len(given["prompt_embeds"])
    tokens = given["prompt_embeds"].repeat_interleave(times, 0)
    mask = given["prompt_attention_mask"].repeat_interleave(times, 0)
    text = TextEmbedding(tokens, mask)
    if "negative_prompt_embeds" not in given:
        return text, TextEmbedding(torch.zeros_like(tokens), torch.zeros_like(mask))
    negative = given["negative_prompt_embeds"].repeat_interleave(times, 0)
    mask = given["negative_prompt_attention_mask"].repeat_interleave(times, 0)
    return text, TextEmbedding(negative, mask)


def read_setting(vector: Vector, said: Mapping[str, Any], *, causal: bool) -> Setting:
    """The miniature checkpoint, and the size that was asked for."""
    checkpoint = read_checkpoint(vector, weights_of(vector).config, causal=causal)
    stored = [vector.inputs[name] for name in sorted(vector.inputs) if name.startswith("draw/")]
    times = said.get("num_images_per_prompt") or said.get("num_videos_per_prompt") or 1
    samples = len(vector.inputs["prompt_embeds"]) * times
    frames, rows, columns = latent_size(said, stored)
    return Setting(
        checkpoint,
        (samples, checkpoint.model.config.in_channels, frames, rows, columns),
        replayed([cells(one, rows, columns) for one in stored]),
    )


def latent_size(said: Mapping[str, Any], stored: Sequence[Tensor]) -> tuple[int, int, int]:
    """Latent frames, rows and columns: the reference's programs round up before, or down inside.

    A size that is no multiple is told by how much noise was drawn.
    """
    count, height, width = said["num_frames"], said["height"], said["width"]
    up = ((count - 2) // 8 + 2, math.ceil(height / 32), math.ceil(width / 32))
    down = (count // 8 + 1, height // 32, width // 32)
    drawn = {one.shape[1] if one.ndim == 3 else one[0, 0].numel() for one in stored}
    sizes = [
        (frames, rows, columns)
        for frames in (up[0], down[0], (count - 1) // 8 + 1)
        for rows, columns in (up[1:], down[1:])
    ]
    return next((size for size in sizes if math.prod(size) in drawn), up)


def read_checkpoint(vector: Vector, public: Mapping[str, Any], *, causal: bool) -> Checkpoint:
    """The vector's weights in parts that the public configs describe."""
    config = ltx_video.transformer_config(
        {**public["transformer"], "causal_temporal_positioning": causal}
    )
    coding = ltx_video_autoencoder.autoencoder_config(public["vae"])
    model, autoencoder = config.build().eval(), coding.build().eval()
    model_keys = ltx_video.transformer_key_map(config, "single_file")
    autoencoder_keys = ltx_video_autoencoder.autoencoder_key_map(coding, "single_file")
    load_into(model, model_keys.load(_below(vector, ltx_video.PREFIX)))
    load_into(autoencoder, autoencoder_keys.load(_below(vector, ltx_video_autoencoder.PREFIX)))
    return Checkpoint(model, autoencoder, model_keys, autoencoder_keys)


def weights_of(vector: Vector) -> Vector:
    """The miniature checkpoint's own file, which says how its parts are built."""
    return read_vector(vector.path.with_name(f"{vector.meta['state_from']}.json"))


def _below(vector: Vector, prefix: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in vector.state.items() if name.startswith(prefix)}


def cells(tokens: Tensor, rows: int, columns: int) -> Tensor:
    """(B, N, C) -> (B, C, F, H, W); latents stay."""
    if tokens.ndim == 5:
        return tokens
    return tokens.mT.reshape(len(tokens), tokens.shape[2], -1, rows, columns)
