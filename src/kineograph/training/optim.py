"""One step of the weights: gradients of all processes, clipped; optimisers at the right rate."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from kineograph.errors import ConfigError, NumericsError, nearest
from kineograph.optimisers.kinds import Named
from kineograph.parallel.replicas import ALONE, Replicas
from kineograph.recipes.stages import Schedule


@dataclass(frozen=True)
class Moved:
    """What a step found: the gradients' norm before clipping, and the outliers' seven curves."""

    norm: float
    curves: Mapping[str, float] = field(default_factory=dict)


class Optimisers:
    """All optimisers of one stage, driven by its schedule."""

    def __init__(self, parameters: Named, schedule: Schedule) -> None:
        self.schedule = schedule
        self.parameters = [parameter for _, parameter in parameters]
        self.parts = schedule.optimiser.build(parameters, schedule.rate)
        self.outliers = None if schedule.outliers is None else schedule.outliers.build()

    def gradients(self) -> list[Tensor]:
        """The gradients of this step, in a fixed order; missing ones become zeros."""
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = parameter.new_zeros(parameter.shape)
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def step(self, index: int, place: Replicas = ALONE) -> Moved:
        """Leave outliers out, average over processes, clip, move, and forget the gradients.

        Args:
            index: steps done in this stage.
            place: this process among those that train side by side.

        Raises:
            NumericsError: a gradient is not finite; no weight has moved.
        """
        gradients = self.gradients()
        curves: dict[str, float] = {}
        if self.outliers is not None:
            found = self.outliers(gradients, place.collect, place.rank)
            series = found.series(0.0)  # the first bound is infinite, and no JSON
            curves = {k: v for k, v in series.items() if k != "loss" and math.isfinite(v)}
        place.average(gradients)
        limit = math.inf if self.schedule.clip is None else self.schedule.clip
        norm = float(nn.utils.clip_grad_norm_(self.parameters, limit))
        if not math.isfinite(norm):
            raise NumericsError(f"step {index}: the norm of the gradients is {norm}")
        rate = learning_rate(self.schedule, index)
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
            part.zero_grad(set_to_none=True)
        return Moved(norm, curves)

    def state_dict(self) -> dict[str, Any]:
        """For `training.state`."""
        return {
            "parts": [part.state_dict() for part in self.parts],
            "outliers": None if self.outliers is None else self.outliers.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        for part, one in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(copy.deepcopy(one))  # torch would move what it is given
        if self.outliers is not None:
            self.outliers.load_state_dict(state["outliers"])


def learning_rate(schedule: Schedule, index: int) -> float:
    """The rate of step `index` (from 0): up, level or changed, and down to zero."""
    up = min(1.0, (index + 1) / max(1, schedule.warmup))
    falling = max(1.0, schedule.decay * schedule.steps)
    left = min(1.0, (schedule.steps - index) / falling)
    down = left if schedule.shape == "linear" else 0.5 - 0.5 * math.cos(math.pi * left)
    begun = [change for change in schedule.changes if change.step <= index]
    rate = max(begun, key=lambda one: one.step).rate if begun else schedule.rate
    return rate * up * down


def unfreeze(named: Named, frozen: Sequence[str]) -> list[tuple[str, nn.Parameter]]:
    """Let weights learn, but those whose names match a pattern.

    Returns:
        The weights that learn, by name.

    Raises:
        ConfigError: a pattern matches nothing, or nothing is left to learn.
    """
    for pattern in frozen:
        if not any(fnmatchcase(name, pattern) for name, _ in named):
            heads = {".".join(name.split(".")[:2]) + ".*" for name, _ in named}
            raise ConfigError(f"frozen {pattern!r} matches no weight{nearest(pattern, heads)}")
    for name, parameter in named:
        parameter.requires_grad_(not any(fnmatchcase(name, one) for one in frozen))
    moving = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    if not moving:
        raise ConfigError(f"frozen {', '.join(frozen)}: nothing is left to learn")
    return moving
