"""What LTX-Video does to finished latents: matching statistics, and compressing extremes.

Letters: B samples, C channels, F x H x W latent cells.
"""

import torch
from torch import Tensor


def match_statistics(latents: Tensor, reference: Tensor, factor: float = 1.0) -> Tensor:
    """Give each channel of each sample the mean and deviation of a reference (AdaIN).

    Args:
        latents: (B, C, F, H, W).
        reference: (B, C, F', H', W').
        factor: how far to go, in [0, 1].

    Returns:
        (B, C, F, H, W).
    """
    std, mean = _statistics(latents)
    wanted_std, wanted_mean = _statistics(reference)
    return torch.lerp(latents, (latents - mean) / std * wanted_std + wanted_mean, factor)


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Deviation (of a sample, n - 1) and mean of each channel, (B, C, 1, 1, 1) each."""
    std, mean = torch.std_mean(x, dim=(2, 3, 4), keepdim=True)
    return std, mean


def tone_map(latents: Tensor, compression: float) -> Tensor:
    """Draw values beyond 1 towards 0, smoothly, so that the picture does not burn out.

    Args:
        latents: normalised, (B, C, F, H, W).
        compression: in [0, 1], 0 changes nothing.

    Returns:
        (B, C, F, H, W).
    """
    strength = 0.75 * compression
    return latents * (1.0 - 0.8 * strength * torch.sigmoid(4.0 * strength * (latents.abs() - 1.0)))
