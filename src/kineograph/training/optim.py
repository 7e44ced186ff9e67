"""How weights move: Muon for the matrices of the blocks, AdamW for the rest.

Muon orthogonalises each matrix's momentum (Jordan et al., 2024); its step is scaled to
AdamW's, so that one rate serves both.
"""

import math
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from kineograph.recipes.stages import Schedule


class Optimisers:
    """All optimisers of one stage, driven by its schedule."""

    def __init__(
        self,
        parameters: Sequence[tuple[str, nn.Parameter]],
        schedule: Schedule,
        matrices: Sequence[str] = (),
    ) -> None:
        self.schedule = schedule
        self.parameters = [parameter for _, parameter in parameters]
        turned: list[nn.Parameter] = []
        plain: list[nn.Parameter] = []
        for name, parameter in parameters:
            matrix = parameter.ndim == 2 and any(fnmatchcase(name, p) for p in matrices)
            (turned if matrix else plain).append(parameter)
        self.parts: list[Optimizer] = []
        if plain:
            self.parts.append(
                AdamW(
                    plain,
                    lr=schedule.rate,
                    betas=schedule.betas,
                    eps=schedule.epsilon,
                    weight_decay=schedule.weight_decay,
                    fused=True,
                )
            )
        if turned:
            self.parts.append(
                Muon(
                    turned,
                    lr=schedule.rate,
                    weight_decay=0.0,
                    adjust_lr_fn="match_rms_adamw",
                )
            )

    def gradients(self) -> list[Tensor]:
        """The gradients of this step, in a fixed order; missing ones become zeros."""
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def step(self, index: int) -> float:
        """Clip, move, and forget the gradients.

        Args:
            index: steps done in this stage.

        Returns:
            The norm of the gradients before clipping.
        """
        limit = math.inf if self.schedule.clip is None else self.schedule.clip
        norm = float(nn.utils.clip_grad_norm_(self.parameters, limit))
        rate = learning_rate(self.schedule, index)
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
            part.zero_grad(set_to_none=True)
        return norm

    def state_dict(self) -> list[dict[str, object]]:
        """For `training.state`."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: Iterable[dict[str, object]]) -> None:
        """The inverse of `state_dict`."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def learning_rate(schedule: Schedule, index: int) -> float:
    """The rate of step `index` (from 0): up, level, and down to zero."""
    up = min(1.0, (index + 1) / max(1, schedule.warmup))
    falling = max(1.0, schedule.decay * schedule.steps)
    left = min(1.0, (schedule.steps - index) / falling)
    down = left if schedule.shape == "linear" else 0.5 - 0.5 * math.cos(math.pi * left)
    return schedule.rate * up * down
