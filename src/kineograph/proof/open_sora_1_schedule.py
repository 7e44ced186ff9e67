"""Open-Sora 1.x's times and losses against stored vectors."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from kineograph.conditioning.joining import JoiningFrames
from kineograph.diffusion.clip_shift import ClipShift
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.times import Even, shifted
from kineograph.proof.open_sora_1 import TIMES, facts, load, text_of
from kineograph.proof.vector import Results, Vector
from kineograph.types import Condition, Denoiser, Grid, Known, replayed

FLOW = Process(path=RectifiedFlow(), prediction=Velocity(), injection=JoiningFrames(slack=0.0))
SIZES = ("height", "width", "num_frames")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LATENTS = (17, 5)  # pixel frames of a chunk and its latent frames, as the reference counts them


def grids(vector: Vector) -> Results:
    """Times of sampling, from 1000 down, for clips of several sizes and dtypes."""
    outputs = {}
    for case in vector.config["cases"]:
        dtype = DTYPES[case.get("meta_dtype", "float32")]
        sizes = {name: torch.tensor([case[name]], dtype=dtype) for name in SIZES}
        outputs[case["name"]] = sampling_times(case, sizes)[:-1, 0] * _largest(case)
    return Results(outputs)


def sampling_times(config: Mapping[str, Any], sizes: Mapping[str, Tensor]) -> Tensor:
    """The times that a reference's scheduler goes through.

    Args:
        config: of the scheduler.
        sizes: height, width and number of frames of the clips in pixels, (B,), in the dtype
            that the reference computes in.

    Returns:
        In [0, 1], (steps + 1, B).
    """
    times = Even()(config["num_sampling_steps"], Grid(1, 1, 1))
    if config.get("use_discrete_timesteps"):
        times = (times * _largest(config)).round() / _largest(config)
    times = times[:, None].expand(-1, len(sizes["height"]))
    return shifted(times, shift_factor(sizes)) if config.get("use_timestep_transform") else times


def shift_factor(sizes: Mapping[str, Tensor], scale: float = 1.0) -> Tensor:
    """The factor of clips in pixels, (B,), as the reference counts their frames.

    If the first clip is an image, all are taken for images; frames that fill no chunk do not
    count, so that a clip of less than a chunk has none.
    """
    height, width, frames = (
        sizes[name].float() if sizes[name].dtype == torch.float16 else sizes[name] for name in SIZES
    )
    pixels, latents = LATENTS
    counted = torch.ones_like(frames) if frames[0] == 1 else frames // pixels * latents
    return ClipShift(scale=scale).factor(height, width, counted)


def transform(vector: Vector) -> Results:
    """Times that are shifted by the size of the clip; what is no number is stored as -1."""
    config, outputs = vector.config, {}
    cases = [(case["name"], case["name"], case) for case in config.get("cases", [])]
    mixed = {name: case for name, case in config.items() if isinstance(case, Mapping)}
    cases += [(f"t_{name}", "t_mixed", case) for name, case in mixed.items()]
    for name, given, case in cases:
        sizes = {size: torch.tensor(case[size]).float().reshape(-1) for size in SIZES}
        time = vector.inputs[given] / TIMES
        moved = shifted(time, shift_factor(sizes, case.get("scale", 1.0)))
        outputs[name] = torch.where(moved.isnan(), -1.0, moved * TIMES)
    return Results(outputs, informative=frozenset(name for name in outputs if "mixed" in name))


class Recorded:
    """A denoiser, and everything that it said."""

    clock: Literal["sample", "frame", "token"] = "frame"

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser = denoiser
        self.said: list[Tensor] = []

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """(B, C, F, H, W) -> what the denoiser says."""
        self.said.append(self.denoiser(x, time, condition))
        return self.said[-1]


def loss(vector: Vector) -> Results:
    """The loss of each sample at a given time, where some frames are known."""
    model, keys = load(vector)
    given, recorded = vector.inputs, Recorded(model)
    start = given["x_start"]
    condition = Condition(
        text_of(given["y"], given.get("mask")),
        known_frames(start, given["x_mask"].float()) if "x_mask" in given else None,
        facts(given, len(start)),
    )
    draws = replayed([torch.logit(given["t"] / TIMES), given["noise"]])
    found = Objective()(recorded, FLOW, start, condition, draws)
    outputs = {"loss": found.per_sample, "model_output": -recorded.said[0]}
    return Results(outputs, keys.dump(model.state_dict()))


def known_frames(latents: Tensor, edit: Tensor) -> Known:
    """Latents (B, C, F, H, W) whose frames may be edited from times (B, F) on; 0: never."""
    return Known(latents, 1.0 - edit[:, None, :, None, None])


def _largest(config: Mapping[str, Any]) -> float:
    return float(config.get("num_timesteps", TIMES))


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_1/scheduler/grids": grids,
    "open_sora_1/scheduler/loss": loss,
    "open_sora_1/scheduler/transform": transform,
}
