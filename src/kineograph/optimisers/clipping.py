"""What happens to gradients that are too large: scaled down, or left out.

`NormClip` scales the averaged gradient of all processes. `AdaptiveClip` comes before the
averaging: a process whose gradient is an outlier against the largest norms of the steps
before gets no say in this step (Open-Sora Plan, 2412.00131, 3.2).

Letters: N processes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from kineograph.errors import ConfigError

Gather = Callable[[float], Sequence[float]]
"""This process's number -> the numbers of all N processes, in order."""


def alone(number: float) -> Sequence[float]:
    """The numbers of all processes where there is one."""
    return (number,)


@dataclass(frozen=True)
class Clipped:
    """What a step did to the gradients; one curve each of the paper's Figure 11, but the loss.

    dropped: processes that were left out (b); bound: above it they are (c), infinite in the first
    step; largest: of all norms, those that are not finite count 0 (d); deviation: squared
    distance of `largest` from its mean (e); kept_largest: of the norms that were not left out
    (f); mean, variance: moving averages of `kept_largest` and of its squared distance (g, h);
    scales: what the gradient of each process was multiplied by.
    """

    dropped: int
    bound: float
    largest: float
    deviation: float
    kept_largest: float
    mean: float
    variance: float
    scales: tuple[float, ...]

    def series(self, loss: float) -> dict[str, float]:
        """The eight curves of a step by the names that a journal gives them."""
        return {
            "loss": loss,
            "gradient/dropped": float(self.dropped),
            "gradient/bound": self.bound,
            "gradient/largest": self.largest,
            "gradient/deviation": self.deviation,
            "gradient/kept_largest": self.kept_largest,
            "gradient/mean": self.mean,
            "gradient/variance": self.variance,
        }


@dataclass(frozen=True, kw_only=True)
class NormClip:
    """Gradients are scaled to at most a norm."""

    kind: Literal["norm_clip"] = "norm_clip"
    most: float = 1.0

    def __post_init__(self) -> None:
        if not self.most > 0:
            raise ConfigError(f"norm of gradients at most {self.most:g}: expected more than 0")

    def __call__(self, gradients: Sequence[Tensor]) -> float:
        """Scale gradients in place; call after averaging.

        Returns:
            Their norm before.
        """
        norm = total_norm(gradients)
        if norm > self.most:
            torch._foreach_mul_(list(gradients), self.most / (norm + 1e-6))
        return norm


@dataclass(frozen=True, kw_only=True)
class AdaptiveClip:
    """How outliers among the processes' gradients are told.

    decay: of the moving averages (alpha); sigmas: standard deviations from the mean to the bound;
    spared: the averages do not move in steps with more left-out processes than this, None:
    they always do, as in the paper's equations; hollow: steps in which every process was
    left out count as norm 0, which is what the reference does with one process.
    """

    kind: Literal["adaptive_clip"] = "adaptive_clip"
    decay: float = 0.99
    sigmas: float = 3.0
    spared: int | None = 1
    hollow: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.decay < 1.0:
            raise ConfigError(f"decay {self.decay:g}: expected a number from 0 up to 1")

    def build(self) -> "AdaptiveClipping":
        """The clipping, without a past."""
        return AdaptiveClipping(self)


class AdaptiveClipping:
    """Leaves outliers out; remembers how large gradients are."""

    def __init__(self, config: AdaptiveClip) -> None:
        self.config = config
        self.mean: float | None = None
        self.variance = 0.0

    def __call__(
        self, gradients: Sequence[Tensor], gather: Gather = alone, rank: int = 0
    ) -> Clipped:
        """Scale this process's gradients in place; call before averaging.

        With N processes, M of which are kept, kept gradients become N / M as large and the
        others 0, so that the mean over all is the mean over those that are kept.

        Args:
            gradients: of this process.
            gather: tells all processes this one's norm, such as `Replicas.collect`.
            rank: this process.
        """
        found = self.decide(gather(total_norm(gradients)))
        scale = found.scales[rank]
        if scale == 0.0:
            torch._foreach_zero_(list(gradients))  # also where they are not finite
        elif scale != 1.0:
            torch._foreach_mul_(list(gradients), scale)
        return found

    def decide(self, norms: Sequence[float]) -> Clipped:
        """Which processes are kept in a step, and what their norms say about the next ones.

        Args:
            norms: of the gradients of all N processes; equal on all of them.
        """
        finite = [norm if math.isfinite(norm) else 0.0 for norm in norms]
        largest = max(finite)
        bound = self.bound
        kept = [math.isfinite(norm) and norm <= bound for norm in norms]
        count = sum(kept)
        kept_largest = max(
            (norm for norm, keep in zip(finite, kept, strict=True) if keep), default=0.0
        )
        self._learn(kept_largest, dropped=len(norms) - count, kept=count)
        mean = largest if self.mean is None else self.mean
        return Clipped(
            dropped=len(norms) - count,
            bound=bound,
            largest=largest,
            deviation=(largest - mean) ** 2,
            kept_largest=kept_largest,
            mean=mean,
            variance=self.variance,
            scales=tuple(len(norms) / count if keep else 0.0 for keep in kept),
        )

    @property
    def bound(self) -> float:
        """Norms above it are outliers; infinite before the first step."""
        if self.mean is None:
            return math.inf
        return self.mean + self.config.sigmas * math.sqrt(self.variance)

    def state_dict(self) -> dict[str, Any]:
        """The averages, as plain data; equal on all processes."""
        return {"mean": self.mean, "variance": self.variance}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.mean = None if state["mean"] is None else float(state["mean"])
        self.variance = float(state["variance"])

    def _learn(self, norm: float, *, dropped: int, kept: int) -> None:
        """Move the averages; the first norm is its own variance, so that the bound starts wide."""
        config = self.config
        if self.mean is None:
            if kept:
                self.mean = self.variance = norm
            return
        if not kept and not config.hollow:
            return
        if config.spared is not None and dropped > config.spared:
            return
        self.mean = config.decay * self.mean + (1.0 - config.decay) * norm
        distance = (norm - self.mean) ** 2
        self.variance = config.decay * self.variance + (1.0 - config.decay) * distance


def total_norm(gradients: Sequence[Tensor]) -> float:
    """The length of all gradients as one vector; not finite where one of them is not."""
    if not gradients:
        return 0.0
    norms = torch._foreach_norm(list(gradients))
    return float(torch.linalg.vector_norm(torch.stack([norm.float() for norm in norms])))
