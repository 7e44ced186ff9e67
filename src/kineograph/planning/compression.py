"""How much an autoencoder and the patches of a denoiser compress a video.

Letters: T frames of Y x X pixels, F x H x W latents of C channels.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import prod

Sizes = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Compression:
    """Frames, rows and columns of pixels in one latent, and latents in one token.

    causal: the first frame is a latent frame of its own, so that T = frames (F - 1) + 1.
    """

    latent: Sizes
    channels: int
    patch: Sizes = (1, 1, 1)
    causal: bool = True

    @property
    def d_info(self) -> Fraction:
        """Numbers of pixels per number of latents (Open-Sora 2.0, 2503.09642, 4.3)."""
        return Fraction(3 * prod(self.latent), self.channels)

    @property
    def d_token(self) -> int:
        """Pixels per token of the denoiser (the same section; LTX-Video, 2501.00103, Table 1)."""
        return prod(self.latent) * prod(self.patch)

    def tokens(self, frames: int, height: int, width: int) -> int:
        """Tokens of a clip; what does not fill a token counts as one."""
        time = self.latent[0]
        first = 1 - (1 - frames) // time if self.causal else -(-frames // time)
        cells = (first, -(-height // self.latent[1]), -(-width // self.latent[2]))
        return prod(-(-cell // patch) for cell, patch in zip(cells, self.patch, strict=True))
