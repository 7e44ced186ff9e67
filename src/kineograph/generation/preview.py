"""How far a video is, seen without decoding: a linear map from latents to colours.

Letters: B videos, C latent channels, F x H x W latent cells, K pictures.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from kineograph.types import Autoencoder, seeded

PICTURES = 16
FLAT = 4  # cells of the coarse colours in a picture, and of its finer grain
RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class Preview:
    """Colours (3, C + 1) that a latent cell stands for, the last column for none."""

    weight: Tensor

    def __call__(self, latents: Tensor) -> Tensor:
        """Normalised latents (B, C, F, H, W) -> small videos, uint8 (B, F, H, W, 3)."""
        cells = latents.float().movedim(1, -1)
        colours = cells @ self.weight[:, :-1].T.to(cells) + self.weight[:, -1].to(cells)
        return ((colours + 1.0) * 127.5).round().clamp(0, 255).byte().cpu()


@torch.inference_mode()
def fit(autoencoder: Autoencoder, height: int, width: int, device: torch.device) -> Preview:
    """Find the map by least squares on random smooth pictures, always the same ones.

    Args:
        autoencoder: what is fitted.
        height, width: pixels of a legal frame.
        device: where the autoencoder is.
    """
    frames = autoencoder.nearest(1, height, width).frames
    draws = seeded(range(PICTURES), torch.device("cpu"))
    coarse = interpolate(draws((PICTURES, 3, FLAT, FLAT)), (height, width), mode="bilinear")
    pictures = torch.tanh(0.7 * coarse).to(device)
    video = pictures[:, :, None].expand(-1, -1, frames, -1, -1)
    latents = torch.cat([autoencoder.encode(one[None]) for one in video]).float()
    seen = adaptive_avg_pool2d(pictures, (latents.shape[3], latents.shape[4]))
    cells = latents.mean(2).movedim(1, -1).flatten(0, 2).double()
    cells = torch.cat([cells, torch.ones_like(cells[:, :1])], 1)
    colours = seen.movedim(1, -1).flatten(0, 2).double()
    square = (
        cells.T @ cells + RIDGE * len(cells) * torch.eye(cells.shape[1], device=device).double()
    )
    return Preview(torch.linalg.solve(square, cells.T @ colours).T.float())
