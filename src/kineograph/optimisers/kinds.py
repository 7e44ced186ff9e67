"""Optimisers as data: AdamW, Adafactor, and Muon for the matrices of the blocks.

Each builds torch's own optimiser; the rate of every step comes from outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

import torch
from torch import nn
from torch.optim import Optimizer

from kineograph.nn.linear import bfloat16_units
from kineograph.optimisers.muon import WideMuon

Named: TypeAlias = Sequence[tuple[str, nn.Parameter]]
"""Parameters with their names."""


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 1711.05101)."""

    kind: Literal["adamw"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.98)
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def build(self, named: Named, rate: float) -> list[Optimizer]:
        """One optimiser for all parameters; none for none."""
        if not named:
            return []
        return [
            torch.optim.AdamW(
                [parameter for _, parameter in named],
                lr=rate,
                betas=self.betas,
                eps=self.epsilon,
                weight_decay=self.weight_decay,
                fused=True,
            )
        ]


@dataclass(frozen=True, kw_only=True)
class Adafactor:
    """Second moments of matrices as one row and one column (Shazeer and Stern, 1804.04235).

    It needs half of the memory of AdamW's state and less; STIV's models are trained with it.

    beta2_decay: how fast old squares are forgotten, the exponent of step t in 1 - t^decay;
    clipping: largest root mean square of an update; least: of the step relative to the weights.
    """

    kind: Literal["adafactor"] = "adafactor"
    beta2_decay: float = -0.8
    clipping: float = 1.0
    least: float = 1e-3
    weight_decay: float = 0.0

    def build(self, named: Named, rate: float) -> list[Optimizer]:
        """One optimiser for all parameters; none for none."""
        if not named:
            return []
        return [
            torch.optim.Adafactor(
                [parameter for _, parameter in named],
                lr=rate,
                beta2_decay=self.beta2_decay,
                eps=(None, self.least),
                d=self.clipping,
                weight_decay=self.weight_decay,
            )
        ]


@dataclass(frozen=True, kw_only=True)
class Muon:
    """Orthogonalised momentum (Jordan et al., 2024) for some matrices, AdamW for the rest.

    Its step is scaled to AdamW's, so that one rate serves both.

    matrices: name patterns of the weights that it moves, where they are matrices or kernels.
    """

    kind: Literal["muon"] = "muon"
    matrices: tuple[str, ...] = ("denoiser.*blocks.*.weight",)
    momentum: float = 0.95
    weight_decay: float = 0.0
    rest: AdamW = field(default_factory=AdamW)

    def build(self, named: Named, rate: float) -> list[Optimizer]:
        """AdamW first, then Muon; each only where it has something to move."""
        turned = [one for one in named if self.turns(*one)]
        found = self.rest.build([one for one in named if not self.turns(*one)], rate)
        if turned:
            found.append(self._turning([parameter for _, parameter in turned], rate))
        return found

    def _turning(self, weights: Sequence[nn.Parameter], rate: float) -> Optimizer:
        slow = weights[0].device.type == "cpu" and not bfloat16_units()
        if slow or any(weight.ndim > 2 for weight in weights):
            return WideMuon(
                weights, lr=rate, momentum=self.momentum, weight_decay=self.weight_decay
            )
        return torch.optim.Muon(
            weights,
            lr=rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )

    def turns(self, name: str, parameter: nn.Parameter) -> bool:
        """Whether a weight is one of the matrices or kernels."""
        return parameter.ndim >= 2 and any(fnmatchcase(name, one) for one in self.matrices)


Optimiser: TypeAlias = AdamW | Adafactor | Muon
