"""Injections: how given frames enter training and sampling.

Letters: B samples; T frames of Y x X pixels; C latent channels; F x H x W latent cells.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from kineograph.conditioning.filling import Filling, Whole
from kineograph.errors import ConfigError
from kineograph.types import Autoencoder, Clock, Draws, Given, Known, Layout, Step


@dataclass(frozen=True, kw_only=True)
class HeldFrames:
    """Each cell has its own time, and given cells stay at theirs (LTX-Video, 2.5).

    A cell given with strength s starts as s * latents + (1 - s) * noise, is shown to the
    denoiser at time min(t, 1 - s), and does not move before t has fallen to 1 - s. Strength
    1 is a clean cell at time 0 that never moves. Needs a denoiser whose clock is `token`, or
    `frame` where whole frames are given.

    filling: what becomes of latent frames of which only some pixel frames are given.
    """

    kind: Literal["held_frames"] = "held_frames"
    clock: ClassVar[Clock] = "frame"
    beside: ClassVar[bool] = False
    filling: Filling = field(default_factory=Whole)

    def known(self, given: Given, autoencoder: Autoencoder, draws: Draws | None) -> Known:
        """Encode what is given, up to the last latent frame that something is given of.

        Args:
            given: frames (B, 3, T, Y, X) and strength (B, 1, T, Y, X).
            autoencoder: gives the latents.
            draws: for the posterior; None: its mode.

        Raises:
            ConfigError: too little is given to fill a single latent cell; or, where nothing is
                filled in, something is given after a frame of which nothing is.
        """
        frames, height, width = given.frames.shape[2:]
        channels, *grid = autoencoder.latent_shape(frames, height, width)
        strength = cell_strength(given.strength, (grid[0], grid[1], grid[2]))
        strength, partly = soften(given.strength, strength, self.filling.share)
        refuse_lost(given.strength, strength)
        some = (strength > 0).flatten(3).any(3).any(1).any(0).tolist()  # per latent frame
        count = len(some) - some[::-1].index(True) if True in some else 0
        if not (self.filling.anywhere or all(some[:count])):
            raise ConfigError(
                f"latent frames given: {some}; held frames must lead: give the first frame, or "
                "all frames up to some point"
            )
        latents = strength.new_zeros(len(strength), channels, *grid)
        if count:
            span = count * frames // grid[0]
            if not evenly(frames, grid[0]):
                span = 1 if count == 1 else 1 + (count - 1) * (frames - 1) // (grid[0] - 1)
            video = self.filling.clip(given, -(-frames // grid[0]))
            latents[:, :, :count] = autoencoder.encode(video[:, :, :span], draws)
        return Known(latents, strength, partly=partly)

    def begin(self, start: Tensor, known: Known | None) -> tuple[Tensor, Layout]:
        """Noise (B, C, F, H, W) -> noise with the given cells in place."""
        if known is None:
            return start, Layout()
        return torch.lerp(start, known.latents, known.strength), Layout(when=known.when)

    def enter(self, x: Tensor, step: Step, known: Known | None, draws: Draws) -> Tensor:
        """Nothing happens before a step."""
        return x

    def times(self, step: Step, known: Known | None) -> Step:
        """Every cell's own time, (B, 1, F, H, W); held cells keep it."""
        if known is None:
            return step
        own = 1.0 - known.strength
        time = torch.minimum(step.time.expand_as(own), own)
        held = step.time >= own + 1e-6  # the schedule has not come down to the cell yet
        held = held | (own == 0)
        return replace(step, time=time, next=torch.where(held, time, step.next.expand_as(own)))

    def present(self, x: Tensor, step: Step, known: Known | None) -> Tensor:
        """A pass sees x as it is."""
        return x

    def leave(self, x: Tensor, known: Known | None) -> Tensor:
        """Latents need no repair: given cells were never moved."""
        return x


def evenly(frames: int, count: int) -> bool:
    """Whether each of `count` latent frames holds as many of the pixel frames as the others.

    Autoencoders code a power of two of frames as one; causal ones code the first one alone.
    """
    share, rest = divmod(frames, count)
    return rest == 0 and share & (share - 1) == 0


def cell_strength(strength: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """How completely each latent cell is given: the least strength of its pixels.

    Args:
        strength: (B, 1, T, Y, X).
        grid: F, H, W. Where T = 1 + k (F - 1) the first frame has a latent frame of its own,
            as in every causal autoencoder; otherwise frames are shared out evenly.

    Returns:
        (B, 1, F, H, W).
    """
    frames = strength.shape[2]
    count, height, width = grid
    if not evenly(frames, count) and count > 1 and (frames - 1) % (count - 1) == 0:
        first = functional.adaptive_max_pool3d(-strength[:, :, :1], (1, height, width))
        later = functional.adaptive_max_pool3d(-strength[:, :, 1:], (count - 1, height, width))
        return -torch.cat([first, later], 2)
    return -functional.adaptive_max_pool3d(-strength, grid)


def soften(given: Tensor, cells: Tensor, share: float) -> tuple[Tensor, Tensor | None]:
    """Let cells of which only some frames are given be known with part of their strength.

    Args:
        given: strength of the pixels, (B, 1, T, Y, X); a frame counts as its weakest pixel.
        cells: strength of the latent cells, (B, 1, F, H, W).
        share: the part.

    Returns:
        Strength of the cells, and true in those frames, (B, 1, F, 1, 1), None where there are none.
    """
    whole = given.amin((3, 4), keepdim=True)
    most = -cell_strength(-whole, (cells.shape[2], 1, 1))
    partly = (most > 0) & (cells.amax((3, 4), keepdim=True) == 0)
    if not share or not bool(partly.any()):
        return cells, None
    return torch.where(partly, share * most, cells), partly


def refuse_lost(given: Tensor, cells: Tensor) -> None:
    """Make sure that what is given is not lost between pixels and latent cells.

    Args:
        given: strength of the pixels, (B, 1, T, Y, X).
        cells: strength of the latent cells, (B, 1, F, H, W).

    Raises:
        ConfigError: something is given of a sample, but of no latent cell all of it is.
    """
    lost = (given.flatten(1) > 0).any(1) & ~(cells.flatten(1) > 0).any(1)
    if bool(lost.any()):
        row = int(lost.nonzero()[0])
        frames = int((given[row] > 0).flatten(2).any(2).sum())
        raise ConfigError(
            f"{frames} of {given.shape[2]} frames given: they fill no latent frame, of which there "
            f"are {cells.shape[2]}, so nothing would be known; give whole latent frames, or use an "
            "injection that shows frames as they are, such as 'given_channels'"
        )
