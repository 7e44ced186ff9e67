"""Embeddings: numbers as waves, and patches of latents as tokens.

Letters: B samples; C channels; F x H x W latent cells; N tokens; D width; p patch size.
"""

import math

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional


def waves(numbers: Tensor, channels: int = 256, period: float = 10000.0) -> Tensor:
    """Cosines and then sines of each number at falling frequencies.

    Args:
        numbers: any shape.
        channels: half of them cosines, half sines; even.
        period: the frequencies fall from 1 to almost 1 / period.

    Returns:
        (..., channels) in float32.
    """
    half = channels // 2
    steps = torch.arange(half, dtype=torch.float32, device=numbers.device)
    angles = numbers.float().unsqueeze(-1) * torch.exp(-math.log(period) * steps / half)
    return torch.cat((angles.cos(), angles.sin()), -1)


class VectorEmbedding(nn.Module):
    """Two linear layers with a SiLU between them."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Linear(channels, width)
        self.second = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., channels) -> (..., D)."""
        result: Tensor = self.second(functional.silu(self.first(x)))
        return result


class NumberEmbedding(VectorEmbedding):
    """Waves of a number as a vector."""

    def __init__(self, width: int, channels: int = 256) -> None:
        super().__init__(width, channels)
        self.channels = channels

    def forward(self, numbers: Tensor) -> Tensor:
        """(...) -> (..., D)."""
        return super().forward(waves(numbers, self.channels).to(self.first.weight.dtype))


def fold(x: Tensor, patch: int) -> Tensor:
    """Latents (B, C, F, H, W) -> tokens (B, N, p * p * C), columns fastest."""
    return rearrange(x, "b c f (h p) (w q) -> b (f h w) (p q c)", p=patch, q=patch)


def unfold(x: Tensor, patch: int, size: tuple[int, int, int]) -> Tensor:
    """Tokens (B, N, p * p * C) -> latents (B, C, F, H, W), where size is (F, H, W)."""
    frames, height, width = size
    return rearrange(
        x,
        "b (f h w) (p q c) -> b c f (h p) (w q)",
        f=frames,
        h=height // patch,
        w=width // patch,
        p=patch,
        q=patch,
    )
