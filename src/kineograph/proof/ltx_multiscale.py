"""Two passes of LTX-Video with a latent upsampler between them, against stored latents."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from kineograph.autoencoders.latent_filters import match_statistics
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.public import ltx_video, ltx_video_autoencoder, ltx_video_upsampler
from kineograph.proof.ltx_pipeline import guidance_of, times_of
from kineograph.proof.ltx_sampling import Run, Setting, read_setting, sampled
from kineograph.proof.vector import Results, Vector

PREFIXES = (ltx_video.PREFIX, ltx_video_autoencoder.PREFIX)


def multiscale(vector: Vector) -> Results:
    """A small video, its latents enlarged, and the last steps again at that size.

    The result has twice the size of the first pass, which may be less than was asked for: only
    frames are resized.
    """
    said = vector.config
    small = {
        side: int(said[side] * said["downscale_factor"]) // 32 * 32 for side in ("height", "width")
    }
    first = _setting(vector, small, 1)
    latents = _pass(vector, first, said["first_pass"], None)
    autoencoder = first.checkpoint.autoencoder
    upsampling = ltx_video_upsampler.upsampler_config(said["upsampler"])
    keys, upsampler = ltx_video_upsampler.upsampler_key_map(upsampling), upsampling.build().eval()
    state = {name: one for name, one in vector.state.items() if not name.startswith(PREFIXES)}
    load_into(upsampler, keys.load(state))
    large = autoencoder.normalise(upsampler(autoencoder.denormalise(latents)))
    second = _setting(vector, {side: 2 * size for side, size in small.items()}, 2)
    start = match_statistics(large, latents)
    outputs = {"latent": _pass(vector, second, said["second_pass"], start)}
    dumped = {**first.checkpoint.dump(), **keys.dump(upsampler.state_dict())}
    return Results(outputs, dumped)


def _setting(vector: Vector, size: Mapping[str, int], number: int) -> Setting:
    """The setting of the first or second pass, each of which draws once."""
    drawn = f"draw/{number - 1:02d}"
    other = {n: one for n, one in vector.inputs.items() if not n.startswith("draw/")}
    alone = replace(vector, inputs={**other, drawn: vector.inputs[drawn]})
    said = {**size, "num_frames": vector.config["num_frames"]}
    return read_setting(alone, said, causal=vector.config["causal_temporal_positioning"])


def _pass(
    vector: Vector, setting: Setting, said: Mapping[str, Any], start: Tensor | None
) -> Tensor:
    """One pass, (B, C, F, H, W)."""
    run = Run(
        times=times_of(said, vector.config["scheduler"], setting.grid),
        guidance=guidance_of(said, vector.config.get("skip_layer_strategy"), setting.blocks),
        start=start,
    )
    return sampled(vector, setting, run, vector.config["frame_rate"])


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "ltx_video/pipeline/multiscale": multiscale,
}
