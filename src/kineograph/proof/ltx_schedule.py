"""LTX-Video's schedules, shifts and steps against stored vectors.

The stored programs are named by the outputs' names, for instance
`sd3_terminal0.1/121x512x768/steps20`: the rule, the clip in pixels, the number of steps.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.samplers import Euler, Renoise
from kineograph.diffusion.times import (
    ConstantShift,
    Even,
    LinearQuadratic,
    Powers,
    RatioShift,
    Respaced,
    Schedule,
    Shift,
    TokenShift,
    next_level,
    shifted,
    stretched,
)
from kineograph.errors import CheckpointError
from kineograph.proof.vector import Results, Vector
from kineograph.types import Estimate, Grid, Step, replayed

NO_GRID = Grid(1, 1, 1)
USUAL = {"invert_sigmas": False, "use_beta_sigmas": False, "time_shift_type": "exponential"}
CLIP = re.compile(r"(\d+)x(\d+)x(\d+)$")


def _number(name: str, word: str) -> float | None:
    """The number that follows a word in a name: `terminal` in `sd3_terminal0.1` -> 0.1."""
    found = re.search(rf"{word}(\d+(?:\.\d+)?)", name)
    return float(found[1]) if found else None


def _grid(name: str) -> Grid:
    """Latent cells of a clip: 8 frames and 32 x 32 pixels each, the first frame alone."""
    for part in name.split("/"):
        if found := CLIP.match(part):
            frames, height, width = (int(number) for number in found.groups())
            return Grid((frames - 1) // 8 + 1, height // 32, width // 32)
    return NO_GRID


def _shift(name: str, base: int) -> Shift:
    if "sd3" in name:
        return TokenShift()
    if "simple_diffusion" in name:
        return RatioShift(base=base)
    constant = _number(name, "constant_shift")
    return ConstantShift(factor=1.0 if constant is None else math.exp(constant))


def _schedule(name: str, config: Mapping[str, Any]) -> Schedule:
    shift = _shift(name, config.get("base_resolution") or 1024)
    terminal = None if "noterminal" in name else _number(name, "terminal")
    if "linear_quadratic" in name:
        return LinearQuadratic(shift=shift, terminal=terminal)
    return Even(shift=shift, terminal=terminal)


def timesteps(vector: Vector) -> Results:
    """Schedules by rule, clip and number of steps."""
    outputs = {}
    for name in vector.outputs:
        rule, steps = name.split("/")[0], _number(name, "steps")
        schedule = _schedule(rule, vector.config.get("default", {}))
        outputs[name] = schedule(int(steps or 1), _grid(name))[:-1]
    return Results(outputs)


def shift_functions(vector: Vector) -> Results:
    """The three functions of a time, for several numbers of tokens."""
    time = vector.inputs["t"].double()
    outputs = {}
    for name in vector.outputs:
        rule, tokens = name.rsplit("_n", 1)
        grid = Grid(1, 1, int(tokens))
        if rule == "simple_diffusion":
            value = shifted(time.clamp_max(0.9999), RatioShift().of(grid))
        elif rule == "time_shift":
            value = shifted(time, TokenShift().of(grid))
        else:
            value = stretched(shifted(time, TokenShift().of(grid)).sort(descending=True)[0], 0.1)
        outputs[name] = value.float()
    return Results(outputs)


def diffusers_schedule(config: Mapping[str, Any], *, linear_quadratic: bool = False) -> Schedule:
    """The schedule that a config of diffusers' scheduler describes.

    Raises:
        CheckpointError: it asks for something that no published model has and ours has not.
    """
    for name, usual in USUAL.items():
        if config.get(name, usual) != usual:
            raise CheckpointError(f"{name} = {config[name]!r}: expected {usual!r}")
    shift: Shift = ConstantShift(factor=config.get("shift", 1.0))
    if config.get("use_dynamic_shifting", False):
        shift = TokenShift(
            low=(config.get("base_image_seq_len", 256), config.get("base_shift", 0.5)),
            high=(config.get("max_image_seq_len", 4096), config.get("max_shift", 1.15)),
        )
    rule = LinearQuadratic if linear_quadratic else Even
    found = rule(shift=shift, terminal=config.get("shift_terminal"))
    if config.get("use_karras_sigmas", False):
        return Respaced(between=found, rule=Powers())
    return Respaced(between=found) if config.get("use_exponential_sigmas", False) else found


def diffusers_timesteps(vector: Vector) -> Results:
    """The diffusers scheduler: noise levels with a final 0, and levels times 1000."""
    config = vector.config
    scale = config["num_train_timesteps"]
    outputs = {}
    for name in vector.outputs:
        levels: Schedule
        if name.startswith("condition_pipeline"):
            steps, mu = int(_number(name, "lq") or 0), _number(name, "mu")
            levels = LinearQuadratic()
            if mu is not None and "sigmas" in name:  # its timesteps stay as they were passed
                shift = ConstantShift(factor=math.exp(mu))
                levels = LinearQuadratic(shift=shift, terminal=config["shift_terminal"])
        else:
            steps = int(_number(name, "steps") or 0)
            levels = diffusers_schedule(config)
        found = levels(steps, _grid(name))
        outputs[name] = found if "sigmas" in name else found[:-1] * scale
    return Results(outputs)


@dataclass(frozen=True, eq=False)
class _Stepping:
    """One stored velocity, stepped from given times."""

    vector: Vector
    path: RectifiedFlow = field(default_factory=RectifiedFlow)

    def __call__(self, time: Tensor, sampler: Euler | Renoise) -> Tensor:
        """Tokens (B, N, C) at times that broadcast to (B, N) -> tokens at the next level."""
        given = self.vector.inputs
        now = time.expand(given["sample"].shape[:2])[..., None]
        step = Step(0, 1, now, next_level(now, given["timesteps"]))
        draws = replayed([given["stochastic_noise"]])
        moved = sampler(given["sample"], self._look, step, self.path, draws)
        return torch.where(step.next == step.time, given["sample"], moved)

    def _look(self, x: Tensor, step: Step) -> Estimate:
        return Velocity().split(self.vector.inputs["velocity"], x, self.path.at(step.time))


def step(vector: Vector) -> Results:
    """One step of the scheduler, for all tokens or each on its own."""
    given, stepping = vector.inputs, _Stepping(vector)
    outputs = {}
    for name in vector.outputs:
        sampler = Renoise() if "stochastic" in name else Euler()
        if name == "add_noise":
            c = RectifiedFlow().at(given["add_noise_t"][:, None, None])
            outputs[name] = c.alpha * given["sample"] + c.sigma * given["velocity"]
        elif name.startswith("global"):
            number = _number(name, "step")
            index = -1 if number is None else int(number)
            outputs[name] = stepping(given["timesteps"][index], sampler)
        else:
            outputs[name] = stepping(given["token_timesteps"], sampler)
    return Results(outputs)


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "ltx_video/scheduler/timesteps": timesteps,
    "ltx_video/scheduler/shift_functions": shift_functions,
    "ltx_video/scheduler/diffusers_timesteps": diffusers_timesteps,
    "ltx_video/scheduler/step": step,
}
