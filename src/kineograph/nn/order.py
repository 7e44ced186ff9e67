"""Order: whether a token sees what comes later in time.

Letters: B samples, N tokens.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from kineograph.nn.grouping import Grouping
from kineograph.types import Grid

LATER = -10000.0  # finite, like the score of a masked token; a token always sees itself


@dataclass(frozen=True, kw_only=True)
class BothWays:
    """Tokens see what was and what comes."""

    kind: Literal["both_ways"] = "both_ways"

    def bias(self, x: Tensor, when: Tensor | None, grouping: Grouping, grid: Grid) -> Tensor | None:
        """Nothing is added to any score."""
        return None


@dataclass(frozen=True, kw_only=True)
class Causal:
    """Tokens see their own frame and earlier ones, in whatever groups they are.

    STIV (2412.07730), Tables 3 and 19, compares it; attention inside a frame is the same.
    """

    kind: Literal["causal"] = "causal"

    def bias(self, x: Tensor, when: Tensor | None, grouping: Grouping, grid: Grid) -> Tensor | None:
        """What is added to the scores of a group's queries and keys.

        Args:
            x: the tokens, (B, N, ...).
            when: the frame of each token, (B, N); None: as `grid` says.
            grouping: which tokens meet.
            grid: how they lie in time and space.

        Returns:
            (groups, 1, tokens of a group, tokens of a group), in the dtype of x.
        """
        if when is None:
            frames = torch.arange(grid.frames, device=x.device)
            when = frames.repeat_interleave(grid.rows * grid.columns).expand(len(x), -1)
        frames = grouping.split(when, grid)
        later = frames[:, None, None, :] > frames[:, None, :, None]
        return torch.zeros_like(later, dtype=x.dtype).masked_fill(later, LATER)


Order: TypeAlias = BothWays | Causal
