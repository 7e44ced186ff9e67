"""How data becomes noise: alpha and sigma of x = alpha * data + sigma * noise."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from kineograph.types import Coefficients


@dataclass(frozen=True, kw_only=True)
class RectifiedFlow:
    """The straight line from data to noise (Liu et al., 2022): x = (1 - t) data + t noise.

    least: the noise that is left at time 0 (Lipman et al., 2023, sigma_min).
    """

    kind: Literal["rectified_flow"] = "rectified_flow"
    least: float = 0.0

    def at(self, time: Tensor) -> Coefficients:
        """The coefficients at `time`, any shape, in [0, 1]."""
        one = torch.ones_like(time)
        return Coefficients(
            alpha=1.0 - time,
            sigma=time + self.least * (1.0 - time),
            d_alpha=-one,
            d_sigma=one * (1.0 - self.least),
        )
