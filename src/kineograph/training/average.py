"""The moving average of a model's weights: what is evaluated and shipped."""

import copy
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


class Average(Generic[Model]):
    """A copy of a model whose weights follow it slowly.

    The first updates count equally, so that the initial weights are soon forgotten.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.model: Model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: Model) -> None:
        """Move a little towards `model`; buffers are copied."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 10))
        for mine, theirs in zip(self.model.parameters(), model.parameters(), strict=True):
            mine.lerp_(theirs, 1.0 - decay)
        for kept, given in zip(self.model.buffers(), model.buffers(), strict=True):
            kept.copy_(given)

    def state_dict(self) -> dict[str, Any]:
        """For `training.state`."""
        return {"updates": self.updates, "weights": self.model.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.updates = int(state["updates"])
        self.model.load_state_dict(state["weights"])
