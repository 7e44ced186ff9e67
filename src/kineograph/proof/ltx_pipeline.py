"""Whole samplings of LTX-Video against stored latents or frames: three programs behind one name.

The authors' code of 0.9.5 and later, that of 0.9.1 and before, and diffusers.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kineograph.autoencoders.latent_filters import tone_map
from kineograph.conditioning.keyframes import Clean, Item, Renoised
from kineograph.diffusion.guidance import ClassifierFree, Off
from kineograph.diffusion.samplers import Euler, Renoise
from kineograph.diffusion.skip_layer import AsSaid, EveryLast, Phase, Projected, SkipLayer
from kineograph.diffusion.times import (
    ConstantShift,
    Even,
    LinearQuadratic,
    Listed,
    RatioShift,
    Schedule,
    Shift,
    TokenShift,
)
from kineograph.proof.ltx_autoencoder import noise_maps
from kineograph.proof.ltx_sampling import (
    Run,
    Setting,
    read_checkpoint,
    read_setting,
    sampled,
    weights_of,
)
from kineograph.proof.ltx_schedule import diffusers_schedule
from kineograph.proof.ltx_video import SKIPS
from kineograph.proof.vector import Results, Vector
from kineograph.types import Grid


def original(vector: Vector) -> Results:
    """The authors' pipeline of 0.9.5 and later."""
    said = vector.config["pipeline_kwargs"]
    setting = read_setting(vector, said, causal=vector.config["causal_temporal_positioning"])
    listed = vector.config.get("conditioning_items") or ()
    items = [
        Item(
            vector.inputs[f"cond/{index}/media"],
            one["media_frame_number"],
            one["conditioning_strength"],
        )
        for index, one in enumerate(listed)
    ]
    strategy = vector.config.get("skip_layer_strategy")
    media = vector.inputs.get("media_items")
    coder = setting.checkpoint.autoencoder
    start = vector.inputs.get("latents")
    if media is not None:
        start = coder.encode(media, setting.draws)
    run = Run(
        times=times_of(said, vector.config["scheduler"], setting.grid),
        guidance=guidance_of(said, strategy, setting.blocks),
        sampler=Renoise() if said.get("stochastic_sampling") else Euler(),
        items=items,
        entering=_entering(said),
        start=start,
    )
    return _finished(vector, setting, said, sampled(vector, setting, run, said["frame_rate"]))


def original_091(vector: Vector) -> Results:
    """The authors' pipeline of 0.9 and 0.9.1: at most the first frame is given, exactly."""
    said = vector.config["pipeline_kwargs"]
    setting = read_setting(vector, said, causal=False)
    scheduler = vector.config.get("scheduler") or weights_of(vector).config["scheduler"]
    media = vector.inputs.get("media")
    if said.get("conditioning_method") == "UNCONDITIONAL":
        media = None
    run = Run(
        times=times_of(said, scheduler, setting.grid),
        guidance=guidance_091(said, setting.blocks),
        items=() if media is None else (Item(media, 0, 1.0),),
        entering=_entering(said),
        noise_first=False,
    )
    return _finished(vector, setting, said, sampled(vector, setting, run, said["frame_rate"]))


def diffusers(vector: Vector) -> Results:
    """Three pipelines of diffusers; two of them give tokens (B, N, C)."""
    said, name = vector.config["kwargs"], vector.config["pipeline"]
    anywhere = name == "LTXConditionPipeline"
    setting = read_setting(vector, said, causal=anywhere)
    items: list[Item] = []
    if "image" in vector.inputs:
        items.append(Item(_signed(vector.inputs["image"])[:, :, None], 0, 1.0))
    given = vector.config.get("conditions", {})
    if given:
        places = zip(given["media"], given["frame_index"], given["strength"], strict=True)
        items += [Item(_clip(vector, media), start, value) for media, start, value in places]
    scale, rescale = said.get("guidance_scale", 3.0), said.get("guidance_rescale", 0.0)
    scheduler, count = vector.config["scheduler"], said.get("num_inference_steps", 50)
    times = diffusers_schedule(scheduler, linear_quadratic=anywhere)(count, setting.grid)
    kept = min(int(count * said.get("denoise_strength", 1.0)), count)
    run = Run(
        times=times[count - kept :],
        guidance=ClassifierFree(scale=scale, rescale=rescale) if scale > 1.0 else Off(),
        sampler=Renoise() if scheduler.get("stochastic_sampling") else Euler(),
        items=items,
        entering=_entering(said) if anywhere else Clean(),
        start=vector.inputs.get("latents") if kept < count else None,
        noise_first=anywhere,
    )
    latents = sampled(vector, setting, run, said["frame_rate"])
    if "latent" in vector.outputs:
        outputs = {"latent": latents if anywhere else latents.flatten(2).mT}
    else:  # noise comes after un-normalising
        latents = _noised(setting, said, setting.checkpoint.autoencoder.denormalise(latents))
        outputs = {"frames": _decoded(vector, setting, said, latents).transpose(1, 2)}
    return Results(outputs, setting.checkpoint.dump())


def _finished(
    vector: Vector, setting: Setting, said: Mapping[str, Any], latents: Tensor
) -> Results:
    """Latents, or frames; the authors' code adds noise to normalised latents."""
    outputs = {"latent": latents}
    if "latent" not in vector.outputs:
        latents = _noised(setting, said, latents)
        latents = tone_map(latents, said.get("tone_map_compression_ratio", 0.0))
        latents = setting.checkpoint.autoencoder.denormalise(latents)
        outputs = {"frames": _decoded(vector, setting, said, latents)}
    return Results(outputs, setting.checkpoint.dump())


def _noised(setting: Setting, said: Mapping[str, Any], latents: Tensor) -> Tensor:
    """Latents as a decoder that knows time wants them, (B, C, F, H, W)."""
    if not setting.checkpoint.autoencoder.config.timed:
        return latents
    share = said.get("decode_noise_scale")
    share = said.get("decode_timestep") or 0.0 if share is None else share
    shares = torch.tensor(share).reshape(-1, 1, 1, 1, 1)  # one for all videos, or one for each
    return torch.lerp(latents, setting.draws(setting.shape), shares)


def _decoded(vector: Vector, setting: Setting, said: Mapping[str, Any], latents: Tensor) -> Tensor:
    """Un-normalised latents (B, C, F, H, W) -> frames in [0, 1], (B, 3, T, Y, X)."""
    maps = noise_maps(vector.inputs, len(latents))
    time = torch.tensor(said.get("decode_timestep") or 0.0).reshape(-1)
    video = setting.checkpoint.autoencoder.decode_raw(latents, maps, time)
    return (0.5 * video + 0.5).clamp(0.0, 1.0)


def _signed(pixels: Tensor) -> Tensor:
    """Values in [0, 1] to [-1, 1]; those that are there already stay."""
    return pixels if pixels.min() < 0 else 2 * pixels - 1


def _clip(vector: Vector, name: str) -> Tensor:
    """A picture (B, 3, Y, X) or clip as (B, 3, T, Y, X) in [-1, 1]."""
    pixels = _signed(vector.inputs[name.removeprefix("in/")])
    if pixels.ndim == 4:
        return pixels[:, :, None]
    return pixels if pixels.shape[1] == 3 else pixels.transpose(1, 2)


def _entering(said: Mapping[str, Any]) -> Clean | Renoised:
    scale = said.get("image_cond_noise_scale", 0.15)
    return Renoised(scale=scale) if scale > 0 else Clean()


def guidance_of(said: Mapping[str, Any], strategy: str | None, blocks: int) -> SkipLayer:
    """Scales that are numbers, or lists beside a list of times."""
    since = said.get("guidance_timesteps") or [0.0]
    word = (strategy or "").split(" ")[0]
    how = SKIPS.get("AttentionSkip" if word == "Attention" else word)  # its name in 0.9.1
    chosen = said.get("skip_block_list") or []
    if how is None:  # "Residual" and none at all: the reference's attention has no such path
        chosen = []
    nested = chosen if chosen and isinstance(chosen[0], list) else [chosen] * len(since)

    def each(name: str, usual: float) -> list[float]:
        value = said.get(name, usual)
        return list(value) if isinstance(value, list) else [value] * len(since)

    texts, skips = each("guidance_scale", 4.5), each("stg_scale", 1.0)
    columns = zip(since, texts, skips, each("rescaling_scale", 0.7), strict=True)
    # The reference does not rescale where the scale is 1.
    phases = tuple(
        Phase(since=start, text=text, skip=skip, rescale=rescale % 1.0, layers=tuple(layers))
        for (start, text, skip, rescale), layers in zip(columns, nested, strict=True)
    )
    return SkipLayer(
        blocks=blocks,
        how=how or "values",
        phases=phases,
        negative=Projected() if said.get("cfg_star_rescale") else AsSaid(),
        disturbed=EveryLast(),
    )


def guidance_091(said: Mapping[str, Any], blocks: int) -> SkipLayer:
    """Here a switch says whether to rescale, and then a scale of 1 does so completely."""
    plain = {**said, "rescaling_scale": 1}
    found = guidance_of(plain, said.get("skip_layer_strategy"), blocks)
    if not said.get("do_rescaling", False):
        return found
    scale = said.get("rescaling_scale", 0.7)
    return replace(found, phases=tuple(replace(one, rescale=scale) for one in found.phases))


def times_of(said: Mapping[str, Any], scheduler: Mapping[str, Any], grid: Grid) -> Tensor:
    """The kept times and a final 0."""
    listed = said.get("timesteps")
    if listed:
        times = Listed(times=tuple(listed))(len(listed), grid)
    else:
        times = _schedule(scheduler)(said["num_inference_steps"], grid)
    first = said.get("skip_initial_inference_steps", 0)
    last = len(times) - 1 - said.get("skip_final_inference_steps", 0)
    return torch.cat([times[first:last], times.new_zeros(1)])


def _schedule(scheduler: Mapping[str, Any]) -> Schedule:
    """The authors' scheduler; without a shift nothing is stretched either."""
    shift: Shift = ConstantShift()
    terminal = None
    if scheduler.get("shifting") == "SD3":
        shift, terminal = TokenShift(), scheduler.get("target_shift_terminal")
    elif scheduler.get("shifting") == "SimpleDiffusion":
        shift = RatioShift(base=scheduler.get("base_resolution") or 1024)
    rule = scheduler.get("sampler", "Uniform")
    if rule == "LinearQuadratic":
        return LinearQuadratic(shift=shift, terminal=terminal)
    if rule == "Constant":
        return Even(shift=ConstantShift(factor=math.exp(scheduler["shift"])))
    return Even(shift=shift, terminal=terminal)


def weights(vector: Vector) -> Results:
    """The miniature checkpoint, read and written back."""
    return Results({}, read_checkpoint(vector, vector.config, causal=False).dump())


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "ltx_video/pipeline/weights": weights,
    "ltx_video/pipeline/original": original,
    "ltx_video/pipeline/original-0.9.1": original_091,
    "ltx_video/pipeline/diffusers": diffusers,
}
