"""Key frames: pictures and clips given anywhere in a video, as LTX-Video 0.9.5 and later do it.

What is given at the start stands in the video's own latent frames. A picture given later becomes
an extra latent frame in front of the video, with the place in time that it really has; of a clip
given later the first latent frames do, because its first frame is coded on its own.

Letters: B samples; T frames of Y x X pixels; C latent channels; F x H x W latent cells; E extra
latent frames.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor

from kineograph.conditioning.injections import HeldFrames
from kineograph.errors import ConfigError
from kineograph.types import Autoencoder, Clock, Draws, Given, Known, Layout, Step


@dataclass(frozen=True, eq=False)
class Item:
    """A picture or a clip to keep.

    frames (B, 3, t, Y, X): one, or 1 + 8 k; start: the pixel frame that the first one is;
    strength: in [0, 1], 1 = keep exactly.
    """

    frames: Tensor
    start: int
    strength: float


@dataclass(frozen=True, kw_only=True)
class Clean:
    """Completely given cells are seen as they are (0.9)."""

    kind: Literal["clean"] = "clean"

    def __call__(self, x: Tensor, step: Step, known: Known, draws: Draws) -> Tensor:
        """(B, C, F, H, W), unchanged."""
        return x


@dataclass(frozen=True, kw_only=True)
class Renoised:
    """Completely given cells get a little fresh noise at every step, so that they may move.

    The noise has the size `scale` * t**2, and the denoiser is told time 0 nevertheless (0.9.1
    and later).
    """

    kind: Literal["renoised"] = "renoised"
    scale: float = 0.15

    def __call__(self, x: Tensor, step: Step, known: Known, draws: Draws) -> Tensor:
        """(B, C, F, H, W), new where strength is 1."""
        noise = draws(tuple(x.shape)).to(x)
        seen = known.latents + self.scale * noise * step.time.square()
        return torch.where(known.strength > 1.0 - 1e-6, seen, x)


Entering: TypeAlias = Clean | Renoised


@dataclass(frozen=True, kw_only=True)
class KeyFrames:
    """Given frames anywhere, each cell at a time of its own; otherwise like `HeldFrames`.

    Training knows no extra frames: there, only what stands at the start may be given.

    scale: pixel frames of a latent frame. causal: whether the first latent frame is a single
    pixel frame to the rotation, as in the denoiser's config. prefix: latent frames of a later
    clip that become extra frames. entering: what given cells look like at each step.
    """

    kind: Literal["key_frames"] = "key_frames"
    clock: ClassVar[Clock] = "token"
    beside: ClassVar[bool] = False
    scale: int = 8
    causal: bool = True
    prefix: int = 2
    entering: Entering = field(default_factory=Clean)

    def known(self, given: Given, autoencoder: Autoencoder, draws: Draws | None) -> Known:
        """Encode every run of frames that are given with the same strength.

        Args:
            given: frames (B, 3, T, Y, X) and strength (B, 1, T, Y, X), the same for all samples
                and pixels of a frame.
            autoencoder: gives the latents.
            draws: for the posterior, and for extra frames of a strength below 1; None: the mode.

        Raises:
            ConfigError: a run is neither one frame nor a clip that the autoencoder can code.
        """
        shape = autoencoder.latent_shape(*given.frames.shape[2:])
        like = given.frames.new_zeros(len(given.frames), *shape)
        return self.place(tuple(_items(given)), like, autoencoder.encode, draws)

    def place(
        self,
        items: Sequence[Item],
        like: Tensor,
        encode: Callable[[Tensor, Draws | None], Tensor],
        draws: Draws | None,
    ) -> Known:
        """Lay items into a video, in their order; a later one replaces an earlier one.

        Args:
            items: what is given.
            like: a tensor of the video's latents, (B, C, F, H, W).
            encode: video and draws to latents.
            draws: as for `known`.

        Returns:
            Latents (B, C, E + F, H, W), extra frames first and already mixed with their noise;
            their places, where there are any.
        """
        latents, strength = torch.zeros_like(like), torch.zeros_like(like[:, :1])
        extras, when = [], []
        for item in items:
            self._check(item)
            found = encode(item.frames, draws).to(like)
            first = 0 if item.start == 0 else self.prefix
            begin = item.start // self.scale + first
            inside = slice(begin, begin + found.shape[2] - first)
            if found.shape[2] > first:
                latents[:, :, inside] = found[:, :, first:]
                strength[:, :, inside] = item.strength
            if first:
                extra = found[:, :, :first]
                extras.append((_mixed(extra, item.strength, draws), item.strength))
                when.append(item.start + self._places(extra.shape[2]))
        if not extras:
            return Known(latents, strength)
        places = torch.cat([*when, self._places(like.shape[2])]).to(like.device)
        soft = [torch.full_like(extra[:, :1], value) for extra, value in extras]
        return Known(
            torch.cat([*(extra for extra, _ in extras), latents], 2),
            torch.cat([*soft, strength], 2),
            places.expand(len(like), -1),
        )

    def begin(self, start: Tensor, known: Known | None) -> tuple[Tensor, Layout]:
        """Noise (B, C, F, H, W) -> extra frames, and noise with the given cells in place."""
        if known is None:
            return start, Layout()
        extra = _extra(known)
        own = torch.lerp(start, known.latents[:, :, extra:], known.strength[:, :, extra:])
        return torch.cat([known.latents[:, :, :extra], own], 2), Layout(when=known.when)

    def enter(self, x: Tensor, step: Step, known: Known | None, draws: Draws) -> Tensor:
        """What given cells look like before a step, (B, C, E + F, H, W)."""
        return x if known is None else self.entering(x, step, known, draws)

    def times(self, step: Step, known: Known | None) -> Step:
        """Every cell's own time, (B, 1, E + F, H, W): min(t, 1 - strength)."""
        return HeldFrames().times(step, known)

    def present(self, x: Tensor, step: Step, known: Known | None) -> Tensor:
        """A pass sees x as it is."""
        return x

    def leave(self, x: Tensor, known: Known | None) -> Tensor:
        """(B, C, E + F, H, W) -> the video's own frames, (B, C, F, H, W)."""
        return x if known is None else x[:, :, _extra(known) :]

    def _places(self, frames: int) -> Tensor:
        """The first pixel frame of each latent frame, (F,)."""
        places = self.scale * torch.arange(frames)
        return (places + 1 - self.scale).clamp_min(0) if self.causal else places

    def _check(self, item: Item) -> None:
        count = item.frames.shape[2]
        whole = (count - 1) // self.scale * self.scale + 1
        if count != whole:
            raise ConfigError(
                f"{count} frames given from frame {item.start} on: expected 1 + {self.scale} k; "
                f"nearest: {whole}"
            )
        if count > 1 and item.start % self.scale:
            raise ConfigError(
                f"a clip given from frame {item.start} on: expected a multiple of {self.scale}; "
                f"nearest: {round(item.start / self.scale) * self.scale}"
            )


def _items(given: Given) -> Iterator[Item]:
    """Runs of frames of one strength."""
    flat = given.strength.transpose(0, 2).flatten(1)
    uneven = (flat != flat[:, :1]).any(1).nonzero().flatten().tolist()
    if uneven:
        raise ConfigError(
            f"frame {uneven[0]} is given in parts: expected one strength for the whole frame of "
            "all samples"
        )
    values = flat[:, 0].tolist()
    for value, run in groupby(range(len(values)), key=values.__getitem__):
        places = list(run)
        if value > 0:
            yield Item(given.frames[:, :, places], places[0], value)


def _mixed(latents: Tensor, strength: float, draws: Draws | None) -> Tensor:
    """Extra latents (B, C, E, H, W) with the noise that their strength leaves room for."""
    if draws is None:
        if strength < 1.0:
            raise ConfigError(
                f"strength {strength:g} without draws: expected 1, because soft key frames begin "
                "as noise in part"
            )
        return latents
    return torch.lerp(draws(tuple(latents.shape)).to(latents), latents, strength)


def _extra(known: Known) -> int:
    """E: frame 0 is the video's first own one, as nothing given there is extra."""
    return 0 if known.when is None else int((known.when[0] == 0).nonzero()[0])
