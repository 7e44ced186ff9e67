"""How much the error at each time counts in the loss."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from kineograph.types import Coefficients


@dataclass(frozen=True, kw_only=True)
class Alike:
    """Every time as much as any other."""

    kind: Literal["alike"] = "alike"

    def __call__(self, c: Coefficients) -> Tensor:
        """1, in the shape of the coefficients."""
        return torch.ones_like(c.alpha)


@dataclass(frozen=True, kw_only=True)
class MinSNR:
    """min(SNR, limit) / (SNR + 1), for the prediction of v (Hang et al., 2303.09556, 3.4).

    Without terminal signal the last time counts nothing: it is learned from its neighbours.
    """

    kind: Literal["min_snr"] = "min_snr"
    limit: float = 5.0

    def __call__(self, c: Coefficients) -> Tensor:
        """Weights in the shape of the coefficients."""
        signal, noise = c.alpha.square(), c.sigma.square()
        return torch.minimum(signal, self.limit * noise) / (signal + noise)


@dataclass(frozen=True, kw_only=True)
class MinSNRNoise:
    """min(SNR, limit) / SNR, for the prediction of noise (the same paper and section)."""

    kind: Literal["min_snr_noise"] = "min_snr_noise"
    limit: float = 5.0

    def __call__(self, c: Coefficients) -> Tensor:
        """Weights in the shape of the coefficients."""
        signal, noise = c.alpha.square(), c.sigma.square()
        share = self.limit * noise / torch.where(signal > 0, signal, 1.0)
        return torch.where(signal > 0, share, torch.inf).clamp_max(1.0)


Weighting: TypeAlias = Alike | MinSNR | MinSNRNoise
