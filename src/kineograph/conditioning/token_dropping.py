"""Token dropping: which tokens the costly blocks of a denoiser see in training.

Letters: B samples; N video tokens, S of them in each frame.
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.types import Draws, Grid


@dataclass(frozen=True, kw_only=True)
class SpatialDropping:
    """Some places are dropped, the same in every frame (STIV, 2412.07730, 2.2).

    share: of the places that are dropped, in [0, 1). Dropping along time, too, hurts (A.3).
    """

    kind: Literal["spatial_dropping"] = "spatial_dropping"
    share: float = 0.5

    def __call__(self, samples: int, grid: Grid, draws: Draws) -> Tensor:
        """Random indices of the kept tokens, rising, (B, N')."""
        sites = grid.rows * grid.columns
        places = self.places(draws((samples, sites)))
        first = torch.arange(0, grid.size, sites, device=places.device)
        return (first[:, None] + places[:, None]).flatten(1)

    def places(self, scores: Tensor) -> Tensor:
        """The places with the lowest scores (B, S), rising: (B, S')."""
        return _lowest(scores, _left(scores.shape[1], self.share))


@dataclass(frozen=True, kw_only=True)
class TemporalDropping:
    """Some frames are dropped whole, for comparison (STIV, 2412.07730, A.3: it hurts).

    share: of the token frames that are dropped, in [0, 1). One is always kept.
    """

    kind: Literal["temporal_dropping"] = "temporal_dropping"
    share: float = 0.5

    def __call__(self, samples: int, grid: Grid, draws: Draws) -> Tensor:
        """Random indices of the kept tokens, rising, (B, N')."""
        scores = draws((samples, grid.frames))
        frames = _lowest(scores, _left(grid.frames, self.share))
        sites = torch.arange(grid.rows * grid.columns, device=frames.device)
        return (frames[:, :, None] * len(sites) + sites).flatten(1)


@dataclass(frozen=True, kw_only=True)
class FixedCount:
    """Clips of somewhat different sizes get the same number of tokens (LTX-Video, 2.5.3).

    tokens: how many are kept, anywhere in the clip. most: the largest share that may be
    dropped, in [0, 1).
    """

    kind: Literal["fixed_count"] = "fixed_count"
    tokens: int
    most: float = 0.2

    def __call__(self, samples: int, grid: Grid, draws: Draws) -> Tensor:
        """Random indices of the kept tokens, rising, (B, N'); N' <= `tokens`.

        Raises:
            ConfigError: more than the largest share would be dropped.
        """
        least = math.ceil(grid.size * (1.0 - self.most) - 1e-6)
        if self.tokens < least:
            raise ConfigError(
                f"{grid.size} tokens: expected at most {int(self.tokens / (1.0 - self.most))}, so "
                f"that {self.tokens} are left after dropping {self.most:.0%}; nearest: a smaller "
                "or shorter clip"
            )
        scores = draws((samples, grid.size))
        return _lowest(scores, self.tokens)


Dropping: TypeAlias = SpatialDropping | TemporalDropping | FixedCount


def _left(count: int, share: float) -> int:
    """How many of `count` are left when a share of them is dropped, at least one."""
    return max(1, int(count * (1.0 - share) + 1e-6))


def _lowest(scores: Tensor, count: int) -> Tensor:
    """The indices of the lowest scores (B, n), rising: (B, count)."""
    return torch.argsort(scores, dim=1, stable=True)[:, :count].sort(1).values
