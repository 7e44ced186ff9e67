"""3D convolution that looks as far ahead as it looks back.

Letters: B clips, C channels, T frames of Y x X.
"""

import torch
from torch import Tensor, nn


class CentredConv(nn.Conv3d):
    """A 3D convolution whose output frame depends on frames on both sides of its own.

    Before the clip stands its first frame, behind it its last one; around each frame stand
    zeros. It has the weights of a `CausalConv` of the same sizes.
    """

    weight: nn.Parameter

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(inside, outside, 3, padding=(0, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', T, Y, X)."""
        return super().forward(torch.cat((x[:, :, :1], x, x[:, :, -1:]), dim=2))
