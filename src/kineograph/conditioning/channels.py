"""Given frames as further channels: a mask and the given latents, which the denoiser reads.

Open-Sora 2.0 (2503.09642), image-to-video. Nothing happens to the noisy latents, so that any
clock will do.

Letters: B samples; T frames of Y x X pixels; C latent channels; F x H x W latent cells.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.types import Autoencoder, Clock, Draws, Given, Known, Layout, Step


@dataclass(frozen=True, kw_only=True)
class GivenChannels:
    """Runs of whole frames, at the start and at the end, are encoded alone and shown as they are.

    cut: whether runs of several frames are cut out of the encoded clip instead, as the
    reference trains autoencoders that are not causal; then all frames must be there. pasted:
    in which samples given latents replace the result, where at most the first and the last
    latent frame are given: in all, in the first of the batch (the reference), or in none.
    """

    kind: Literal["given_channels"] = "given_channels"
    clock: ClassVar[Clock] = "sample"
    beside: ClassVar[bool] = True
    cut: bool = False
    pasted: Literal["all", "first", "none"] = "all"

    def known(self, given: Given, autoencoder: Autoencoder, draws: Draws | None) -> Known:
        """Encode each run of given frames.

        Args:
            given: frames (B, 3, T, Y, X) and strength (B, 1, T, Y, X), 0 or 1 for whole frames.
            autoencoder: gives the latents.
            draws: for the posterior; None: its mode.

        Returns:
            Latents that are 0 where nothing is given, and a mask. An image is not its own
            condition: of a clip of one latent frame nothing is known.

        Raises:
            ConfigError: parts of frames are given, or frames amid others.
        """
        frames, height, width = given.frames.shape[2:]
        shape = autoencoder.latent_shape(frames, height, width)
        latents = given.strength.new_zeros(len(given.strength), *shape)
        strength = torch.zeros_like(latents[:, :1])
        leading, trailing = runs(given.strength)
        if shape[1] == 1:
            return Known(latents, strength)
        for length in sorted({*leading.tolist()} - {0}):
            rows = leading == length
            encoded = self._encode(given.frames, slice(0, length), autoencoder, draws)
            latents[rows, :, : encoded.shape[2]] = encoded[rows]
            strength[rows, :, : encoded.shape[2]] = 1.0
        for length in sorted({*trailing.tolist()} - {0}):
            rows = trailing == length
            encoded = self._encode(given.frames, slice(frames - length, frames), autoencoder, draws)
            latents[rows, :, -encoded.shape[2] :] = encoded[rows]
            strength[rows, :, -encoded.shape[2] :] = 1.0
        return Known(latents, strength)

    def _encode(
        self, video: Tensor, run: slice, autoencoder: Autoencoder, draws: Draws | None
    ) -> Tensor:
        """The latents of a run of frames, (B, C, count, H, W)."""
        length = run.stop - run.start
        if not self.cut or length == 1:
            return autoencoder.encode(video[:, :, run], draws)
        count = autoencoder.latent_shape(length, *video.shape[3:])[1]
        whole = autoencoder.encode(video, draws)
        return whole[:, :, :count] if run.start == 0 else whole[:, :, -count:]

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
        """Put single given frames back, (B, C, F, H, W)."""
        if known is None or self.pasted == "none":
            return x
        held = known.strength == 1
        few = held.flatten(3).any(3).any(1).sum(1) <= 2
        if self.pasted == "first":
            few = few & (torch.arange(len(few), device=few.device) == 0)
        return torch.where(held & few.view(-1, 1, 1, 1, 1), known.latents.to(x), x)


def runs(strength: Tensor) -> tuple[Tensor, Tensor]:
    """How many frames are given from the start and up to the end.

    Args:
        strength: (B, 1, T, Y, X), 0 or 1 for whole frames.

    Returns:
        Two of (B,); a clip that is given completely leads and does not trail.

    Raises:
        ConfigError: parts of frames are given, or frames amid others.
    """
    least, most = strength.flatten(3).aminmax(dim=3)
    if not torch.equal(least, most) or bool(((least != 0) & (least != 1)).any()):
        raise ConfigError("frames given in part: expected each frame whole, or not at all")
    given = least[:, 0].long()
    leading = given.cumprod(1).sum(1)
    trailing = given.flip(1).cumprod(1).sum(1) * (leading < given.shape[1])
    for row, count in enumerate((given.sum(1) - leading - trailing).tolist()):
        if count:
            raise ConfigError(
                f"sample {row} has {count} given frames amid others: expected runs that begin "
                "with the first frame or end with the last one"
            )
    return leading, trailing


@dataclass(frozen=True, kw_only=True)
class GivenEnds:
    """Training: which ends of a clip a sample knows, drawn by weight.

    neither, first, both, last: the weights; the defaults are those of the reference's stages
    for image-to-video, where 1 sample in 8 knows nothing.
    """

    kind: Literal["given_ends"] = "given_ends"
    neither: float = 1.0
    first: float = 5.0
    both: float = 1.0
    last: float = 1.0

    def __call__(self, latents: Tensor, draws: Draws) -> Known:
        """Clean latents (B, C, F, H, W) -> what is known of them; single frames stay unknown."""
        samples, _, frames, height, width = latents.shape
        strength = latents.new_zeros(samples, 1, frames, height, width)
        place = torch.special.ndtr(draws((samples,))).to(latents.device)
        weights = torch.tensor((self.neither, self.first, self.both, self.last)).to(place)
        edges = weights.cumsum(0) / weights.sum()
        if frames > 1:
            starts = (place >= edges[0]) & (place < edges[2])
            ends = place >= edges[1]
            strength[:, :, 0] = starts.to(latents).view(-1, 1, 1, 1)
            strength[:, :, -1] = ends.to(latents).view(-1, 1, 1, 1)
        return Known(latents * strength, strength)
