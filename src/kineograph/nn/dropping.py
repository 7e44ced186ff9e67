"""Dropped tokens: only some of a sequence goes through costly blocks (Zheng et al., 2306.09305).

Letters: B samples, N tokens of which N' are kept, D width.
"""

import torch
from torch import Tensor, nn


def pick(x: Tensor, keep: Tensor) -> Tensor:
    """The tokens (B, N, D) at the indices `keep` (B, N') -> (B, N', D)."""
    return x.gather(1, keep[..., None].expand(-1, -1, x.shape[-1]))


class Gaps(nn.Module):
    """A learned token stands wherever one was dropped."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, kept: Tensor, keep: Tensor, count: int) -> Tensor:
        """Put the kept tokens back where they were.

        Args:
            kept: (B, N', D).
            keep: where each of them was, (B, N').
            count: N.

        Returns:
            (B, N, D).
        """
        whole = self.token.to(kept.dtype).expand(len(kept), count, -1)
        return whole.scatter(1, keep[..., None].expand(-1, -1, kept.shape[-1]), kept)
