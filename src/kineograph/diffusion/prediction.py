"""What a denoiser's output means, written once from a path's four coefficients.

Every class solves the same two equations: x = alpha * data + sigma * noise, and its own
definition of the output. All tensors are (B, C, F, H, W); coefficients broadcast to them.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from kineograph.types import Coefficients, Estimate


def _divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """A quotient that is 0 where the denominator is 0: there the output says nothing."""
    empty = denominator == 0
    return torch.where(empty, 0.0, numerator / torch.where(empty, 1.0, denominator))


@dataclass(frozen=True, kw_only=True)
class Velocity:
    """dx/dt along the path; on a rectified flow that is noise - data."""

    kind: Literal["velocity"] = "velocity"

    def target(self, data: Tensor, noise: Tensor, c: Coefficients) -> Tensor:
        """What the output should be."""
        return c.d_alpha * data + c.d_sigma * noise

    def split(self, output: Tensor, x: Tensor, c: Coefficients) -> Estimate:
        """What an output says about x."""
        determinant = c.alpha * c.d_sigma - c.sigma * c.d_alpha
        data = (c.d_sigma * x - c.sigma * output) / determinant
        noise = (c.alpha * output - c.d_alpha * x) / determinant
        return Estimate(data, noise)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The noise itself (Ho et al., 2020); says nothing about data where alpha is 0."""

    kind: Literal["noise"] = "noise"

    def target(self, data: Tensor, noise: Tensor, c: Coefficients) -> Tensor:
        """What the output should be."""
        return noise

    def split(self, output: Tensor, x: Tensor, c: Coefficients) -> Estimate:
        """What an output says about x."""
        return Estimate(_divide(x - c.sigma * output, c.alpha), output)


@dataclass(frozen=True, kw_only=True)
class Data:
    """The data itself; says nothing about the noise where sigma is 0."""

    kind: Literal["data"] = "data"

    def target(self, data: Tensor, noise: Tensor, c: Coefficients) -> Tensor:
        """What the output should be."""
        return data

    def split(self, output: Tensor, x: Tensor, c: Coefficients) -> Estimate:
        """What an output says about x."""
        return Estimate(output, _divide(x - c.alpha * output, c.sigma))


@dataclass(frozen=True, kw_only=True)
class V:
    """alpha * noise - sigma * data (Salimans & Ho, 2022); defined at every time."""

    kind: Literal["v"] = "v"

    def target(self, data: Tensor, noise: Tensor, c: Coefficients) -> Tensor:
        """What the output should be."""
        return c.alpha * noise - c.sigma * data

    def split(self, output: Tensor, x: Tensor, c: Coefficients) -> Estimate:
        """What an output says about x."""
        power = c.alpha.square() + c.sigma.square()  # 1 on a variance-preserving path
        data = (c.alpha * x - c.sigma * output) / power
        noise = (c.sigma * x + c.alpha * output) / power
        return Estimate(data, noise)
