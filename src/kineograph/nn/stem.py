"""Small convolutions around a transformer: what a patch cannot see of its neighbours.

For small models on small latents, where the edges of patches would show. Frames do not
mix, so a single image is a clip of one frame.

Letters: B samples; C channels; F x H x W latent cells; S width of the stem.
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional


class ConvStem(nn.Module):
    """One 3 x 3 convolution in front of the patches."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, H, W) -> (B, S, F, H, W)."""
        images = _images(x)
        result: Tensor = _clips(functional.silu(self.conv(images)), len(x))
        return result


class ConvHead(nn.Module):
    """Two 3 x 3 convolutions behind the patches, which also see the stem's output.

    The last one begins at zero, so that an untrained model predicts zero.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * width, width, 3, padding=1)
        self.out = nn.Conv2d(width, channels, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, stem: Tensor) -> Tensor:
        """The patches' and the stem's (B, S, F, H, W) -> (B, C, F, H, W)."""
        images = _images(torch.cat((x, stem), 1))
        result: Tensor = _clips(self.out(functional.silu(self.mix(images))), len(x))
        return result


def _images(x: Tensor) -> Tensor:
    """Frames as a batch, channels last: half precision is many times faster on a CPU so."""
    images: Tensor = rearrange(x, "b c f h w -> (b f) c h w")
    return images.contiguous(memory_format=torch.channels_last)


def _clips(images: Tensor, batch: int) -> Tensor:
    clips: Tensor = rearrange(images, "(b f) c h w -> b c f h w", b=batch)
    return clips
