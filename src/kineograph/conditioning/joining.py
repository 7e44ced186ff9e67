"""Joining frames: given frames are held at time 0, and join when their time has come.

Zheng et al., "Open-Sora" (2412.20404), 3.3: one mask for image- and video-to-video, extension,
connection and editing.

Letters: B samples; T frames of Y x X pixels; C latent channels; F x H x W latent cells.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from kineograph.errors import ConfigError
from kineograph.types import Autoencoder, Clock, Draws, Given, Known, Layout, Step

ROUNDING = 1e-7  # 1 - (1 - r) need not be r: a time of exactly r is not above it


@dataclass(frozen=True, kw_only=True)
class JoiningFrames:
    """Frames given with strength s stay as they are until time has fallen to 1 - s.

    Then they are noised to that time and move with the others; a frame of strength 1 is clean
    to the end. Needs a denoiser whose clock is `frame` or `token`, on a straight path.

    chunk: pixel frames that the autoencoder codes on their own, None: the whole clip; group:
    pixel frames of a latent frame, the first one of a chunk may have fewer. slack: how far a
    time may lie above 1 - s by rounding. The reference has none, so that for some sizes of clips
    a first time just above 1 holds even free frames, which then get fresh noise.
    """

    kind: Literal["joining_frames"] = "joining_frames"
    clock: ClassVar[Clock] = "frame"
    beside: ClassVar[bool] = False
    chunk: int | None = 17
    group: int = 4
    slack: float = 1e-6

    def known(self, given: Given, autoencoder: Autoencoder, draws: Draws | None) -> Known:
        """Encode the given clip, and keep the latent frames of which every pixel is given.

        Args:
            given: frames (B, 3, T, Y, X) and strength (B, 1, T, Y, X).
            autoencoder: gives the latents.
            draws: for the posterior; None: its mode.

        Raises:
            ConfigError: the autoencoder has another number of latent frames.
        """
        strength = self.frame_strength(given.strength)
        frames, height, width = given.frames.shape[2:]
        count = autoencoder.latent_shape(frames, height, width)[1]
        if count != strength.shape[2]:
            raise ConfigError(
                f"chunk = {self.chunk}, group = {self.group}: {frames} frames would be "
                f"{strength.shape[2]} latent frames, but the autoencoder makes {count}"
            )
        latents = autoencoder.encode(given.frames, draws)
        return Known(torch.where(strength > 0, latents, 0.0), strength)

    def frame_strength(self, strength: Tensor) -> Tensor:
        """(B, 1, T, Y, X) -> the least strength of each latent frame, (B, 1, F, 1, 1)."""
        frames = strength.amin((3, 4))
        chunks = torch.split(frames, self.chunk or frames.shape[2], 2)
        padded = [functional.pad(one, (-one.shape[2] % self.group, 0), value=1.0) for one in chunks]
        groups = torch.cat(padded, 2).reshape(len(frames), 1, -1, self.group)
        return groups.amin(3)[..., None, None]

    def begin(self, start: Tensor, known: Known | None) -> tuple[Tensor, Layout]:
        """Noise (B, C, F, H, W) -> noise with the given frames in place, as they are."""
        if known is None:
            return start, Layout()
        return torch.where(known.strength > 0, known.latents.to(start), start), Layout()

    def enter(self, x: Tensor, step: Step, known: Known | None, draws: Draws) -> Tensor:
        """Noise the frames that move from this step on; noise is drawn at every step.

        A frame that has not moved yet is one that still equals what is known.
        """
        if known is None:
            return x
        noise = draws(tuple(x.shape)).to(x)
        still = (x == known.latents).flatten(3).all(3).all(1)[:, None, :, None, None]
        waited = (_strength(known) > 0) | (step.index > 0)
        joins = still & waited & ~self._held(step, known)
        return torch.where(joins, torch.lerp(x, noise, step.time), x)

    def times(self, step: Step, known: Known | None) -> Step:
        """Each frame's own time, (B, 1, F, 1, 1): 0 and still 0 for those that are held."""
        if known is None:
            return step
        held = self._held(step, known)
        return replace(
            step, time=torch.where(held, 0.0, step.time), next=torch.where(held, 0.0, step.next)
        )

    def present(self, x: Tensor, step: Step, known: Known | None) -> Tensor:
        """Frames at time 0 are seen as they are known."""
        if known is None:
            return x
        return torch.where((step.time == 0) & (known.strength > 0), known.latents.to(x), x)

    def leave(self, x: Tensor, known: Known | None) -> Tensor:
        """Latents need no repair: held frames were never moved."""
        return x

    def _held(self, step: Step, known: Known) -> Tensor:
        """Frames that do not move in this step, (B, 1, F, 1, 1)."""
        strength = _strength(known)
        slack = torch.where(strength > 0, max(self.slack, ROUNDING), self.slack)
        return step.time > 1.0 - strength + slack


def _strength(known: Known) -> Tensor:
    """The least strength of each latent frame, (B, 1, F, 1, 1)."""
    return known.strength.amin((1, 3, 4), keepdim=True)
