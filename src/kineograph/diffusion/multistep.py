"""A second-order sampler with one look per step: it remembers what the step before saw.

Lu et al., "DPM-Solver++" (2211.01095), algorithm 2 (2M): the estimated data is a straight line in
lambda = log(alpha / sigma), drawn through this estimate and the one before.
Tensors are (B, C, F, H, W); times broadcast to them.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from kineograph.diffusion.samplers import Look, move
from kineograph.types import Coefficients, Draws, Estimate, Path, Seen, Step

LEAST = 1e-12  # what is divided by, or has its logarithm taken, at least


@dataclass(frozen=True, kw_only=True)
class Multistep:
    """One look per step, deterministic, of second order, on any path.

    A cell takes `Euler`'s step where there is no line to draw: in the first step that it
    moves, after a step that began at pure noise, and in the step to time 0, which is infinitely
    long in lambda. The others ask `step.before`, so that cells may have times of their own.
    """

    kind: Literal["multistep"] = "multistep"

    def __call__(self, x: Tensor, estimate: Look, step: Step, path: Path, draws: Draws) -> Tensor:
        """Latents at the next time."""
        seen = estimate(x, step)
        if step.before is None:
            return move(seen, step, path)
        now = path.at(step.time)
        ahead = _share(step, step.before, path) * (seen.data - step.before.data)
        back = now.alpha / now.sigma.clamp_min(LEAST) * ahead  # both together are x as before
        return move(Estimate(seen.data + ahead, seen.noise - back), step, path)


def _share(step: Step, before: Seen, path: Path) -> Tensor:
    """How far the data goes on as it went: half of this step's length over that of the last."""
    was, now, then = (path.at(time) for time in (before.time, step.time, step.next))
    moving = (before.time > step.time) & (step.time > step.next)
    known = moving & (step.next > 0) & (was.alpha > 0)
    length = torch.where(known, _lambda(now) - _lambda(was), 1.0)
    return torch.where(known, 0.5 * (_lambda(then) - _lambda(now)) / length, 0.0)


def _lambda(c: Coefficients) -> Tensor:
    """Half of the logarithm of the signal-to-noise ratio, never infinite."""
    return c.alpha.clamp_min(LEAST).log() - c.sigma.clamp_min(LEAST).log()
