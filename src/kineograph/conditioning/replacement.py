"""Frame replacement: given frames stand in the denoiser's input (STIV, 2412.07730, 2.3.1).

Letters: B samples; T frames of Y x X pixels; C latent channels; F x H x W latent cells.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from kineograph.conditioning.injections import HeldFrames, cell_strength
from kineograph.errors import ConfigError
from kineograph.types import Autoencoder, Clock, Draws, Given, Known, Layout, Step


@dataclass(frozen=True, kw_only=True)
class ReplacedFrames:
    """Given cells are overwritten in what a pass sees; all cells share one time.

    The running latents keep evolving underneath, and a pass that knows nothing sees them as
    they are, as in training without a condition. No given frame: text-to-video; the first:
    image-to-video; the first few: prediction; first and last: interpolation.
    """

    kind: Literal["replaced_frames"] = "replaced_frames"
    clock: ClassVar[Clock] = "sample"
    beside: ClassVar[bool] = False

    def known(self, given: Given, autoencoder: Autoencoder, draws: Draws | None) -> Known:
        """Encode the given frames, each by itself where the autoencoder allows it.

        Args:
            given: frames (B, 3, T, Y, X) and strength (B, 1, T, Y, X), 0 or 1.
            autoencoder: gives the latents. One that compresses time can only be given frames
                that lead.
            draws: for the posterior; None: its mode.

        Raises:
            ConfigError: a strength is neither 0 nor 1, or given frames do not lead, or do not
                fill a latent frame, though time is compressed.
        """
        soft = given.strength[(given.strength != 0) & (given.strength != 1)]
        if soft.numel():
            raise ConfigError(
                f"strength {float(soft[0]):g}: expected 0 or 1, because a frame is replaced or "
                f"not; nearest: {float(soft[0] >= 0.5):g}"
            )
        frames, height, width = given.frames.shape[2:]
        channels, *grid = autoencoder.latent_shape(frames, height, width)
        if grid[0] != frames:
            return HeldFrames().known(given, autoencoder, draws)
        strength = cell_strength(given.strength, (grid[0], grid[1], grid[2]))
        some = (strength > 0).flatten(3).any(3).any(1).any(0)
        latents = strength.new_zeros(len(strength), channels, *grid)
        if some.any():
            latents[:, :, some] = autoencoder.encode(given.frames[:, :, some], draws).to(latents)
        return Known(latents, strength)

    def begin(self, start: Tensor, known: Known | None) -> tuple[Tensor, Layout]:
        """Noise (B, C, F, H, W), as it is."""
        return start, Layout()

    def enter(self, x: Tensor, step: Step, known: Known | None, draws: Draws) -> Tensor:
        """Nothing happens before a step."""
        return x

    def times(self, step: Step, known: Known | None) -> Step:
        """One time for all cells, given or not."""
        return step

    def present(self, x: Tensor, step: Step, known: Known | None) -> Tensor:
        """A pass sees the given cells clean, (B, C, F, H, W)."""
        return x if known is None else torch.where(known.strength == 1, known.latents, x)

    def leave(self, x: Tensor, known: Known | None) -> Tensor:
        """The given cells stand in the result, (B, C, F, H, W)."""
        return x if known is None else torch.where(known.strength == 1, known.latents, x)
