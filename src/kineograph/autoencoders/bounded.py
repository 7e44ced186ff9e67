"""An autoencoder that keeps within a memory limit, whatever the length and size of a clip.

Before it codes, it works out what each way of cutting the clip would need, from shapes alone, and
takes the one that changes the result least and fits; a small clip in plenty of memory is coded at
once. Should memory run out all the same, it goes on with smaller pieces. A clip of any size is
filled up to a legal one and cropped back.

Letters: B clips, T frames of Y x X pixels, C x F x H x W latents.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from math import prod
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from kineograph.autoencoders.pieces import Divisible, Pieces, Plan
from kineograph.autoencoders.tiled import Cells
from kineograph.errors import ConfigError
from kineograph.nn.footprint import ONCE, measure, shapes_only
from kineograph.nn.heap import given_back
from kineograph.types import Autoencoder, Draws, Legal, Posterior

T = TypeVar("T")
Shape = tuple[int, ...]
Needs = Callable[[Plan, Pieces, Shape], int]
ELEMENT = 4
"""Bytes of a number: weights and activations are taken for float32."""
ENDLESS = 1 << 30
LARGE = 128 << 20
"""Bytes from which on it is worth the time to give memory back at once."""
SMALL, ROOMY = 1 << 19, 1 << 14
"""Pixels of a clip, and bytes for each of them, with which nothing has to be worked out.

Working it out takes a second or two; the greediest kind takes 4.4 KB for a pixel of a small clip.
"""
SETTLED = 24
"""Latent frames after which chunks need no more memory than before: all layers have their past."""
MESSAGES = ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc")


@dataclass(frozen=True, eq=False)
class Bounded:
    """An autoencoder within a limit.

    limit: bytes above those in use before a call; the weights are there already.
    tell: hears in which pieces a clip is coded, where it is cut.
    """

    autoencoder: Divisible
    limit: int
    tell: Callable[[str], None]

    def nearest(self, frames: int, height: int, width: int) -> Legal:
        """The nearest legal clip."""
        return self.autoencoder.nearest(frames, height, width)

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C, F, H, W) of a legal clip."""
        return self.autoencoder.latent_shape(frames, height, width)

    def normalise(self, latents: Tensor) -> Tensor:
        """Un-normalised -> normalised latents."""
        return self.autoencoder.normalise(latents)

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return self.autoencoder.denormalise(latents)

    def posterior(self, video: Tensor, draws: Draws | None = None) -> Posterior:
        """(B, 3, T, Y, X) -> the distribution of un-normalised latents."""
        return self._encoding(video, draws, lambda one, again: one.posterior(video, again))

    def encode(self, video: Tensor, draws: Draws | None = None) -> Tensor:
        """(B, 3, T, Y, X) in [-1, 1] -> normalised latents (B, C, F, H, W); None: the mode."""
        return self._encoding(video, draws, lambda one, again: one.encode(video, again))

    def decode(
        self, latents: Tensor, frames: int | None = None, draws: Draws | None = None
    ) -> Tensor:
        """Normalised latents (B, C, F, H, W) -> (B, 3, T, Y, X)."""
        cell = _cell(self.autoencoder)
        return self._within(
            decoding_bytes,
            prod(latents.shape) // latents.shape[1] * cell.frames * cell.space**2,
            latents,
            draws,
            lambda one, again: one.decode(latents, frames, again),
        )

    def reconstruct(self, video: Tensor, draws: Draws | None = None) -> Tensor:
        """(B, 3, T, Y, X) of any size -> the same size, through the latents."""
        frames, height, width = video.shape[2:]
        whole = fill_up(self.autoencoder, video)
        decoded = self.decode(self.encode(whole, draws), whole.shape[2], draws)
        return decoded[:, :, :frames, :height, :width]

    def _encoding(
        self, video: Tensor, draws: Draws | None, code: Callable[[Divisible, Draws | None], T]
    ) -> T:
        """Something that is made of a video (B, 3, T, Y, X)."""
        return self._within(encoding_bytes, prod(video.shape) // 3, video, draws, code)

    def _within(
        self,
        needs: Needs,
        pixels: int,
        x: Tensor,
        draws: Draws | None,
        code: Callable[[Divisible, Draws | None], T],
    ) -> T:
        """Code in the first pieces that fit, and in smaller ones where memory runs out.

        Raises:
            ConfigError: the smallest pieces do not fit either.
        """
        ways = self.autoencoder.pieces()
        config, shape = self.autoencoder.config, tuple(x.shape)
        cost = cache(lambda way: needs(config, way, shape))
        plenty = pixels <= SMALL and pixels * ROOMY <= self.limit
        first = 0 if plenty else fitting(ways, cost, self.limit)
        again = None if draws is None else Replay(draws)
        for way in ways[first:]:
            if way != ways[0]:
                self.tell(f"{way}, to stay within {self.limit / 1e9:.2g} GB")
            heap: AbstractContextManager[None]
            heap = given_back() if not plenty and cost(way) > LARGE else nullcontext()
            try:
                with heap:
                    return code(self.autoencoder.cut(way), again)
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
            if again is not None:
                again.rewind()
        raise ConfigError(
            f"{tuple(x.shape)}: memory ran out in the smallest pieces too ({ways[-1]}); expected a "
            "shorter or smaller clip, or more free memory"
        )


class Replay:
    """Draws that can be had once more, so that a second attempt sees what the first one saw."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._drawn: list[Tensor] = []
        self._next = 0

    def __call__(self, shape: Shape) -> Tensor:
        """What was drawn in this place, if it had this shape; else something new."""
        if self._next == len(self._drawn) or self._drawn[self._next].shape != shape:
            del self._drawn[self._next :]
            self._drawn.append(self._draws(shape))
        self._next += 1
        return self._drawn[self._next - 1]

    def rewind(self) -> None:
        """Begin again."""
        self._next = 0


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a CPU or on any accelerator."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or any(words in str(error) for words in MESSAGES)


def fitting(ways: Sequence[Pieces], needs: Callable[[Pieces], int], limit: int) -> int:
    """The index of the first way that needs no more than the limit; of the last one, if none does.

    Ways with tiles of one size stand together, those that need less behind; where the last of
    them does not fit, the others are not looked at.
    """
    if needs(ways[0]) <= limit:
        return 0
    for _, group in groupby(range(len(ways)), key=lambda index: ways[index].space):
        some = list(group)
        if needs(ways[some[-1]]) <= limit:
            return next(index for index in some if needs(ways[index]) <= limit)
    return len(ways) - 1


def fill_up(autoencoder: Autoencoder, video: Tensor) -> Tensor:
    """(B, 3, T, Y, X) -> the next larger legal clip, its last frames, rows and columns repeated."""
    sizes = list(video.shape[2:])
    for axis in (2, 1, 0):
        while True:
            legal = autoencoder.nearest(*sizes)
            if (legal.frames, legal.height, legal.width)[axis] == sizes[axis]:
                break
            sizes[axis] += 1
    missing = [size - had for size, had in zip(sizes, video.shape[2:], strict=True)]
    if not any(missing):
        return video
    return functional.pad(video, (0, missing[2], 0, missing[1], 0, missing[0]), mode="replicate")


def encoding_bytes(config: Plan, way: Pieces, video: Shape) -> int:
    """Bytes that encoding (B, 3, T, Y, X) needs at most, in this way."""
    with shapes_only():
        autoencoder = config.build().cut(way)
        frames, rows, columns = _shortened(way, _cell(autoencoder))
        legal = autoencoder.nearest(*map(min, video[2:], (frames, rows, columns)))
        some = torch.empty(
            *video[:2], *map(min, video[2:], (legal.frames, legal.height, legal.width))
        )
        peak = measure(partial(autoencoder.encode, some)).resident
    return ONCE + peak + ELEMENT * (prod(video) - some.numel())  # rearranged before it is cut


def decoding_bytes(config: Plan, way: Pieces, latents: Shape) -> int:
    """Bytes that decoding (B, C, F, H, W) needs at most, in this way."""
    with shapes_only():
        autoencoder = config.build().cut(way)
        cell = _cell(autoencoder)
        frames, rows, columns = _shortened(way, cell)
        most = (-(-frames // cell.frames), rows // cell.space, columns // cell.space)
        some = torch.empty(*latents[:2], *map(min, latents[2:], most))
        footprint = measure(partial(autoencoder.decode, some))
    pixels = 3 * cell.frames * cell.space**2
    later = pixels * ELEMENT * (prod(latents) - some.numel()) // latents[1]
    return ONCE + footprint.resident + later


def _cell(autoencoder: Autoencoder) -> Cells:
    """The pixels that a latent of a long clip stands for."""
    legal = autoencoder.nearest(65, 1024, 1024)
    _, frames, rows, _ = autoencoder.latent_shape(legal.frames, legal.height, legal.width)
    return Cells(-(-legal.frames // frames), legal.height // rows)


def _shortened(way: Pieces, cell: Cells) -> tuple[int, int, int]:
    """Frames, rows and columns beyond which a clip that is cut needs only more room for itself."""
    side = way.space or ENDLESS
    if way.frames is None:
        return ENDLESS, side, side
    return max(2 * way.frames, SETTLED * cell.frames) + 1, side, side
