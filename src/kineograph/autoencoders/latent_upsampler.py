"""LTX-Video's latent upsampler: twice as many rows and columns, or frames, of latents.

Between the two passes of multi-scale generation (LTX-Video 0.9.7 and later). It reads and
gives un-normalised latents.

Letters: B clips, C channels, F x H x W latents.
"""

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from kineograph.autoencoders.denoising_blocks import Stride, unfold_volume
from kineograph.errors import ConfigError

GROUPS = 32  # of every norm


@dataclass(frozen=True, kw_only=True)
class LatentUpsamplerConfig:
    """An upsampler; the defaults are the published one that doubles rows and columns.

    width: channels inside, a multiple of 32.
    blocks: residual blocks before and again after the latents grow.
    factors: by how much frames, rows and columns grow.
    """

    kind: Literal["latent_upsampler"] = "latent_upsampler"
    channels: int = 128
    width: int = 512
    blocks: int = 4
    factors: Stride = (1, 2, 2)

    def __post_init__(self) -> None:
        if self.width % GROUPS:
            raise ConfigError(f"width = {self.width}: expected a multiple of {GROUPS}")

    def build(self) -> "LatentUpsampler":
        """The module, randomly initialised."""
        return LatentUpsampler(self)


class Residual(nn.Module):
    """Convolution and norm, twice, added to the input before the last SiLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv3d(width, width, 3, padding=1)
        self.norm_1 = nn.GroupNorm(GROUPS, width)
        self.conv_2 = nn.Conv3d(width, width, 3, padding=1)
        self.norm_2 = nn.GroupNorm(GROUPS, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, F, H, W) -> the same."""
        y = functional.silu(self.norm_1(self.conv_1(x)))
        return functional.silu(self.norm_2(self.conv_2(y)) + x)


class LatentUpsampler(nn.Module):
    """Latents (B, C, F, H, W) to larger ones; doubled time loses its first frame."""

    def __init__(self, config: LatentUpsamplerConfig) -> None:
        super().__init__()
        self.config = config
        width, times = config.width, config.factors[0]
        kernel = 1 if times == 1 else 3
        self.enter = nn.Conv3d(config.channels, width, 3, padding=1)
        self.norm = nn.GroupNorm(GROUPS, width)
        self.before = nn.Sequential(*(Residual(width) for _ in range(config.blocks)))
        self.grow = nn.Conv3d(
            width,
            width * math.prod(config.factors),
            (kernel, 3, 3),
            padding=(kernel // 2, 1, 1),
        )
        self.after = nn.Sequential(*(Residual(width) for _ in range(config.blocks)))
        self.out = nn.Conv3d(width, config.channels, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """(B, C, F, H, W) -> (B, C, t F - t + 1, y H, x W), un-normalised both."""
        factors = self.config.factors
        x = self.before(functional.silu(self.norm(self.enter(latents))))
        x = unfold_volume(self.grow(x), factors)[:, :, factors[0] - 1 :]
        result: Tensor = self.out(self.after(x))
        return result
