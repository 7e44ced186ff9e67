"""The clip with holes as further channels: given frames among black ones, and a folded mask.

Open-Sora Plan (2412.00131), 2.4. Nothing happens to the noisy latents, so any clock will do.

Letters: B samples; T frames of Y x X pixels; C latent channels; F x H x W latent cells; M time
factor.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from kineograph.types import Autoencoder, Clock, Draws, Given, Known, Layout, Step

BLACK = -1.0


@dataclass(frozen=True, kw_only=True)
class GivenNoise:
    """A little noise on given pixels, so that what is generated may depart from them (2.4.2).

    mean, std: of the logarithm of the noise's size, drawn for each sample. clean: how many
    samples get none. The defaults are those of the last fine-tuning; to generate with noise of
    the size s, the code has the mean log s, std 0.01 and no clean ones.
    """

    kind: Literal["given_noise"] = "given_noise"
    mean: float = -3.0
    std: float = 0.5
    clean: float = 0.05

    def __call__(self, given: Given, draws: Draws) -> Given:
        """Draws sizes (B,), chances (B,) and noise (B, 3, T, Y, X), in this order."""
        frames, count = given.frames, len(given.frames)
        size = (self.mean + self.std * draws((count,))).exp()
        size = torch.where(torch.special.ndtr(draws((count,))) < self.clean, 0.0, size)
        noise = size.view(-1, 1, 1, 1, 1).to(frames) * draws(tuple(frames.shape)).to(frames)
        return replace(given, frames=torch.where(given.strength > 0.5, frames + noise, frames))


@dataclass(frozen=True, kw_only=True)
class MaskedVideo:
    """The denoiser reads the latents of the clip in which all that is not given is black.

    factor: M, the pixel frames of a latent frame, which become channels of the mask. noise: on
    what is given; None: none.
    """

    kind: Literal["masked_video"] = "masked_video"
    clock: ClassVar[Clock] = "sample"
    beside: ClassVar[bool] = True
    factor: int = 4
    noise: GivenNoise | None = None

    def known(self, given: Given, autoencoder: Autoencoder, draws: Draws | None) -> Known:
        """Encode the clip with holes.

        Args:
            given: frames (B, 3, T, Y, X) and strength (B, 1, T, Y, X); more than half is given.
            autoencoder: gives the latents.
            draws: for the noise on given frames, then for the posterior; None: no noise, and
                the posterior's mode.

        Returns:
            Latents (B, C, F, H, W) and strength (B, M, F, H, W).
        """
        if self.noise is not None and draws is not None:
            given = self.noise(given, draws)
        frames, height, width = given.frames.shape[2:]
        _, _, rows, columns = autoencoder.latent_shape(frames, height, width)
        latents = autoencoder.encode(blackened(given), draws)
        return Known(latents, folded(given.strength, self.factor, rows, columns).to(latents))

    def begin(self, start: Tensor, known: Known | None) -> tuple[Tensor, Layout]:
        """Noise (B, C, F, H, W), as it is."""
        return start, Layout()

    def enter(self, x: Tensor, step: Step, known: Known | None, draws: Draws) -> Tensor:
        """Nothing happens before a step."""
        return x

    def times(self, step: Step, known: Known | None) -> Step:
        """One time for all frames."""
        return step

    def present(self, x: Tensor, step: Step, known: Known | None) -> Tensor:
        """A pass sees x as it is, and what is known beside it."""
        return x

    def leave(self, x: Tensor, known: Known | None) -> Tensor:
        """Given frames are generated again, with the others."""
        return x


def blackened(given: Given) -> Tensor:
    """Given pixels, and black ones elsewhere, (B, 3, T, Y, X)."""
    return torch.where(given.strength > 0.5, given.frames, BLACK)


def folded(strength: Tensor, factor: int, rows: int, columns: int) -> Tensor:
    """Pixel strength as channels of latent cells.

    Args:
        strength: (B, 1, T, Y, X). Where T is odd, the first frame stands for a whole latent
            frame, as in causal autoencoders.
        factor: M, which divides T or T - 1.
        rows, columns: H and W; strengths between pixels are interpolated, not averaged.

    Returns:
        (B, M, F, H, W).
    """
    frames = strength.shape[2]
    small = functional.interpolate(
        rearrange(strength.float(), "b 1 t y x -> b t y x"), (rows, columns), mode="bilinear"
    )
    if frames % 2:
        small = torch.cat((small[:, :1].expand(-1, factor, -1, -1), small[:, 1:]), 1)
    return rearrange(small, "b (f m) h w -> b m f h w", m=factor)
