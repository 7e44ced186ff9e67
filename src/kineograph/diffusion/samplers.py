"""Samplers: one step from a time to the next.

All of them look at the estimate (data, noise) and move to alpha' * data + sigma' * noise,
where the prime marks the next time. On a straight path this is Euler's rule; on a
variance-preserving path it is DDIM; both are one class here.
Tensors are (B, C, F, H, W); times broadcast to them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from kineograph.types import Draws, Estimate, Path, Step

Look = Callable[[Tensor, Step], Estimate]


def move(estimate: Estimate, step: Step, path: Path) -> Tensor:
    """The estimate, put together at the next time."""
    c = path.at(step.next)
    return c.alpha * estimate.data + c.sigma * estimate.noise


@dataclass(frozen=True, kw_only=True)
class Euler:
    """One look per step, deterministic (also DDIM with eta = 0; Song et al., 2020)."""

    kind: Literal["euler"] = "euler"

    def __call__(self, x: Tensor, estimate: Look, step: Step, path: Path, draws: Draws) -> Tensor:
        """Latents at the next time."""
        return move(estimate(x, step), step, path)


@dataclass(frozen=True, kw_only=True)
class Heun:
    """Two looks per step, the mean of both slopes: second order (Karras et al., 2022).

    The last step, to time 0, is Euler's: there is no noise left for a second look.
    """

    kind: Literal["heun"] = "heun"

    def __call__(self, x: Tensor, estimate: Look, step: Step, path: Path, draws: Draws) -> Tensor:
        """Latents at the next time."""
        first = estimate(x, step)
        euler = torch.where(step.next == step.time, x, move(first, step, path))
        if not bool((step.next > 0).any()):
            return euler
        second = estimate(euler, replace(step, time=step.next))
        slope = 0.5 * (_slope(first, step.time, path) + _slope(second, step.next, path))
        return torch.where(step.next > 0, x + (step.next - step.time) * slope, euler)


def _slope(estimate: Estimate, time: Tensor, path: Path) -> Tensor:
    c = path.at(time)
    return c.d_alpha * estimate.data + c.d_sigma * estimate.noise


@dataclass(frozen=True, kw_only=True)
class Ancestral:
    """Part of the noise is replaced by fresh noise.

    eta = 1 is the ancestral step of DDPM, 0 is `Euler`; between them DDIM's eta.
    """

    kind: Literal["ancestral"] = "ancestral"
    eta: float = 1.0

    def __call__(self, x: Tensor, estimate: Look, step: Step, path: Path, draws: Draws) -> Tensor:
        """Latents at the next time."""
        now, then = path.at(step.time), path.at(step.next)
        moving = now.sigma > 0
        ratio = now.alpha * then.sigma / (then.alpha * torch.where(moving, now.sigma, 1.0))
        fresh = self.eta**2 * (1.0 - ratio.square()).clamp(0.0, 1.0)  # share of the new noise
        seen = estimate(x, step)
        noise = (1.0 - fresh).sqrt() * seen.noise + fresh.sqrt() * draws(tuple(x.shape)).to(x)
        return then.alpha * seen.data + then.sigma * noise


@dataclass(frozen=True, kw_only=True)
class Renoise:
    """All of the noise is fresh at every step, as few-step distilled models want it.

    (LTX-Video 0.9.6 distilled; the consistency sampler of Song et al., 2023.)
    """

    kind: Literal["renoise"] = "renoise"

    def __call__(self, x: Tensor, estimate: Look, step: Step, path: Path, draws: Draws) -> Tensor:
        """Latents at the next time."""
        seen = estimate(x, step)
        return move(replace(seen, noise=draws(tuple(x.shape)).to(x)), step, path)
