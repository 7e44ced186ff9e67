"""Whole runs of Open-Sora Plan, from noise and pictures to pixels, against stored vectors."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from kineograph.autoencoders.wavelet_flow import WaveletFlow
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.public import open_sora_plan as public
from kineograph.checkpoints.public.open_sora_plan_denoiser import denoiser_config
from kineograph.conditioning.masked_video import MaskedVideo
from kineograph.diffusion.guidance import ClassifierFree, Off
from kineograph.diffusion.process import Process
from kineograph.diffusion.sampling import Look, sample
from kineograph.proof import open_sora_plan_denoiser, open_sora_plan_scheduler
from kineograph.proof.open_sora_plan_inpaint import NO_CHANCE, tasks
from kineograph.proof.vector import Results, Vector
from kineograph.types import Condition, Given, Known, TextEmbedding, replayed

STRIDE = 32  # pixels that sizes are cut to where pictures decide them


def trajectory(vector: Vector) -> Results:
    """The last latents and the video that they decode to."""
    config, given = vector.config, vector.inputs
    denoiser, denoiser_keys = open_sora_plan_denoiser.load(
        denoiser_config(config["denoiser"]), _below(vector.state, "denoiser.")
    )
    autoencoder, autoencoder_keys = _autoencoder(vector)
    start = given["initial_noise"]
    injection = MaskedVideo(factor=config["denoiser"].get("vae_scale_factor_t", 4))
    process = Process(
        path=open_sora_plan_scheduler.sampled_path(config, config["scheduler"]),
        prediction=open_sora_plan_scheduler.prediction(config),
        injection=injection,
    )
    scale = config["guidance_scale"]
    look = Look(
        denoiser=denoiser,
        process=process,
        guidance=ClassifierFree(scale=scale, rescale=config.get("guidance_rescale", 0.0))
        if scale > 1
        else Off(),
        condition=Condition(text=_text(vector, ""), known=_known(vector, injection, autoencoder)),
        empty=_text(vector, "negative_" if scale > 1 else ""),
    )
    latents = sample(
        look,
        open_sora_plan_scheduler.sampler(config, config["scheduler"], config["steps"]),
        start,
        open_sora_plan_scheduler.times(config, config["steps"]),
        replayed(list(given.get("step_noises", ()))),
    )
    video = (autoencoder.decode(latents) / 2 + 0.5).clamp(0, 1) * 255
    state = _above(denoiser_keys.dump(denoiser.state_dict()), "denoiser.")
    state |= _above(autoencoder_keys.dump(autoencoder.state_dict()), "vae.")
    shown = rearrange(video.to(torch.uint8), "b c t y x -> b t y x c")
    return Results({"final_latent": latents, "video_uint8": shown}, state)


def _text(vector: Vector, prefix: str) -> TextEmbedding:
    """Stored prompts, repeated where several videos are made of each."""
    tokens = vector.inputs[f"{prefix}prompt_embeds"]
    mask = vector.inputs[f"{prefix}prompt_mask"].bool()
    times = len(vector.inputs["initial_noise"]) // len(tokens)
    return TextEmbedding(tokens.repeat_interleave(times, 0), mask.repeat_interleave(times, 0))


def _known(vector: Vector, injection: MaskedVideo, autoencoder: WaveletFlow) -> Known | None:
    """What is known of the latents; None: the model has no channels for it."""
    config, noise = vector.config, vector.inputs["initial_noise"]
    if not config["denoiser"].get("vae_scale_factor_t"):
        return None
    pictures = [vector.inputs[f"image{i}"] for i in range(len(config["image_sizes"]))]
    fitted = _fitted(pictures, config)
    height, width = fitted[0].shape[:2]
    frames = noise.new_zeros(len(noise), 3, config["num_frames"], height, width)
    strength = torch.zeros_like(frames[:, :1])
    for index, picture in zip(_indices(config, len(fitted)), fitted, strict=True):
        frames[:, :, index] = picture.permute(2, 0, 1) / 127.5 - 1.0
        strength[:, :, index] = 1.0
    if len(fitted) == config["num_frames"] > 1:  # a whole clip, of which a task takes its part
        given = tasks(0.5, 0.5)[config["mask_type"]].given(len(fitted), NO_CHANCE)
        strength = strength * given.view(1, 1, -1, 1, 1)
    draws = replayed([vector.inputs["condition_posterior_noise"]])
    return injection.known(Given(frames, strength), autoencoder, draws)


def _indices(config: Mapping[str, Any], pictures: int) -> Sequence[int]:
    """Which frames the pictures are."""
    if pictures == config["num_frames"]:
        return range(pictures)
    usual: dict[int, Sequence[int]] = {1: (0,), 2: (0, -1)}
    return config["indices"] or usual[pictures]


def _fitted(pictures: Sequence[Tensor], config: Mapping[str, Any]) -> list[Tensor]:
    """Pictures (Y, X, 3) in one size: the wanted one, or the largest that all of them allow."""
    if config["crop_for_hw"]:
        return [covered(picture, config["height"], config["width"]) for picture in pictures]
    height = min(picture.shape[0] for picture in pictures)
    width = min(picture.shape[1] for picture in pictures)
    limit = config["max_hxw"]
    return [limited(covered(picture, height, width), limit, STRIDE) for picture in pictures]


def covered(picture: Tensor, height: int, width: int) -> Tensor:
    """Cut to the wanted shape and then resized, (Y, X, 3) uint8 -> (height, width, 3) uint8."""
    have, across = picture.shape[:2]
    aspect = height / width
    tall, wide = have, int(have / aspect)
    if have / across > aspect:
        tall, wide = int(across * aspect), across
    top, left = round((have - tall) / 2), round((across - wide) / 2)
    return resized(picture[top : top + tall, left : left + wide], height, width)


def limited(picture: Tensor, area: int, stride: int) -> Tensor:
    """Resized to an area at most, then cut to multiples of the stride, (Y, X, 3) uint8."""
    have, across = picture.shape[:2]
    if have * across > area:
        factor = math.sqrt(area / (have * across))
        picture = resized(picture, int(have * factor), int(across * factor))
        have, across = picture.shape[:2]
    height, width = have // stride * stride, across // stride * stride
    top, left = (have - height) // 2, (across - width) // 2
    return picture[top : top + height, left : left + width]


def resized(picture: Tensor, height: int, width: int) -> Tensor:
    """(Y, X, 3) uint8 -> (height, width, 3) uint8, as the reference resizes: corner on corner."""
    planes = picture.permute(2, 0, 1)[None].contiguous()
    found = functional.interpolate(
        planes, (height, width), mode="bilinear", align_corners=True, antialias=True
    )
    return found[0].permute(1, 2, 0)


def _autoencoder(vector: Vector) -> tuple[WaveletFlow, KeyMap]:
    config = public.wavelet_flow_config(vector.config["vae"])
    state = _below(vector.state, "vae.")
    keys = public.wavelet_flow_key_map(config, public.wavelet_flow_layout(state))
    model = config.build().eval()
    load_into(model, keys.load(state))
    return model, keys


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): x for n, x in state.items() if n.startswith(prefix)}


def _above(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: x for name, x in state.items()}


VECTORS: Mapping[str, Callable[[Vector], Results]] = {"open_sora_plan/trajectory": trajectory}
