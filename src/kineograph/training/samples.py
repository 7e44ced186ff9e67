"""What a denoiser learns from: cached clips by row, of one or several shapes.

Letters: B clips; C x F x H x W latents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kineograph.conditioning.facts import Facts
from kineograph.data import latents
from kineograph.data.buckets import ClipSize
from kineograph.data.latents import Latents
from kineograph.errors import ConfigError, DataError
from kineograph.recipes.stages import Clips, Subset
from kineograph.training.pixels import Pixels


@dataclass(frozen=True, eq=False)
class Cached:
    """A cache: its clips, and their shape in pixels."""

    clips: Latents
    frames: int
    height: int
    width: int
    fps: float

    @classmethod
    def of(cls, clips: Latents, shape: Clips) -> "Cached":
        """Clips that were all cut to one shape."""
        return cls(clips, shape.frames, shape.size, shape.size, shape.fps)

    @property
    def latent_frames(self) -> int:
        """F of every clip."""
        return self.clips.latents.shape[2]

    @property
    def shape(self) -> Clips:
        """What every clip was cut to."""
        return Clips(frames=self.frames, size=self.height, fps=self.fps)

    def pixel_frames(self, latent_frames: int) -> int:
        """How many pixel frames the first latent frames stand for."""
        share = (latent_frames - 1) / max(1, self.latent_frames - 1)
        return 1 + round(share * (self.frames - 1))

    def places(self, latent_frames: int, start: int) -> list[int]:
        """The pixel frame of each latent frame; a later start has no single first frame."""
        first = [0] if start == 0 else []
        later = [self.pixel_frames(count) for count in range(1, latent_frames + 1)]
        return [*first, *later][:latent_frames]

    def covering(self, frames: int) -> int:
        """How many latent frames stand for the first pixel frames."""
        share = (frames - 1) / max(1, self.frames - 1)
        return 1 + round(share * (self.latent_frames - 1))


@dataclass(frozen=True)
class Cut:
    """Where a sample is cut out of its clip: the first latent frame, and how many are known."""

    start: int = 0
    known: int = 0


@dataclass(frozen=True, eq=False)
class Taken:
    """Some clips: latents (B, C, F, H, W), focus (B, 1, F, H, W) in [0, 1], what is known.

    cuts: one for each clip that is not cut at its beginning, or none. when: pixel frames of the
    latent frames, (B, F), where there are cuts. video: (B, 3, T, Y, X) in [-1, 1], where a stage
    looks at pixels.
    """

    rows: tuple[int, ...]
    latents: Tensor
    focus: Tensor
    records: tuple[Mapping[str, Any], ...]
    facts: Facts
    cuts: tuple[Cut, ...] = ()
    when: Tensor | None = None
    video: Tensor | None = None

    @property
    def shape(self) -> str:
        """`17x64x64`: frames, height, width in pixels."""
        return f"{self.facts.frames}x{self.facts.height}x{self.facts.width}"


class Samples:
    """The clips of several caches, counted through.

    Args:
        caches: with at least one clip each.
        held_out: clips at the end of each cache that are not for training.

    `pixels` reads the clips once more, where a stage looks at them.

    Raises:
        ConfigError: as many or more are held out than there are.
    """

    def __init__(self, caches: Sequence[Cached], held_out: int = 0) -> None:
        self.caches = tuple(caches)
        self.pixels: Pixels | None = None
        counts = [len(cache.clips.records) for cache in self.caches]
        if not counts or min(counts) <= held_out:
            raise ConfigError(
                f"caches of {', '.join(map(str, counts)) or 'no'} clips: expected more than the "
                f"{held_out} that are held out of each for validation"
            )
        self.starts = [sum(counts[:index]) for index in range(len(counts))]
        self.groups = [
            tuple(range(start, start + count - held_out))
            for start, count in zip(self.starts, counts, strict=True)
        ]
        self.held_out = [
            tuple(range(start + count - held_out, start + count))
            for start, count in zip(self.starts, counts, strict=True)
        ]

    def place(self, row: int) -> tuple[int, int]:
        """The number of a row's cache, and of its clip in it."""
        cache = max(index for index, start in enumerate(self.starts) if start <= row)
        return cache, row - self.starts[cache]

    def record(self, row: int) -> Mapping[str, Any]:
        """What is known about a clip."""
        cache, clip = self.place(row)
        return self.caches[cache].clips.records[clip]

    def size(self, row: int) -> ClipSize:
        """What a bucket rule looks at."""
        cache = self.caches[self.place(row)[0]]
        return ClipSize(cache.frames, cache.height, cache.width)

    def name(self, row: int) -> str:
        """A clip for a message: its row, and its file or the beginning of its record."""
        record = self.record(row)
        told = record.get("source") or record.get("seed")
        return f"row {row} ({told})" if told else f"row {row}"

    def chosen(self, subset: Subset | None) -> list[tuple[int, ...]]:
        """The rows of each cache that a stage trains on.

        Raises:
            ConfigError: none is left, or a record does not say the number of a bound.
        """
        if subset is None:
            return list(self.groups)
        found = [
            tuple(row for row in group[: subset.first] if self._inside(row, subset))
            for group in self.groups
        ]
        if not any(found):
            raise ConfigError(f"{subset}: none of {sum(map(len, self.groups))} clips is in it")
        return [group for group in found if group]

    def take(self, rows: Sequence[int], latent_frames: int, cuts: Sequence[Cut] = ()) -> Taken:
        """Clips of one size, cut to at most so many latent frames, and to the shortest one.

        Args:
            rows: which clips.
            latent_frames: at most so many of each.
            cuts: where each one is cut; none: all at their beginning.
        """
        places = [(self.caches[cache], clip) for cache, clip in map(self.place, rows)]
        starts = [cut.start for cut in cuts] or [0] * len(rows)
        cut_at = list(zip(places, starts, strict=True))
        frames = min(latent_frames, *(cache.latent_frames - at for (cache, _), at in cut_at))
        parts = [(cache.clips, clip, slice(at, at + frames)) for (cache, clip), at in cut_at]
        first = places[0][0]
        records = tuple(cache.clips.records[clip] for cache, clip in places)
        count = first.pixel_frames(frames)
        video = None
        if self.pixels is not None:
            video = torch.stack([self.pixels(one, first.shape, count) for one in records])
        return Taken(
            rows=tuple(rows),
            latents=torch.stack([c.latents[clip, :, span] for c, clip, span in parts]).float(),
            focus=torch.stack([c.focus[clip, :, span] for c, clip, span in parts]).float() / 255,
            records=records,
            facts=Facts(
                fps=first.fps,
                frames=count,
                height=first.height,
                width=first.width,
            ),
            cuts=tuple(cuts),
            when=torch.tensor([first.places(frames, start) for start in starts]) if cuts else None,
            video=video,
        )

    def _inside(self, row: int, subset: Subset) -> bool:
        for bound in subset.bounds:
            value: Any = self.record(row)
            for name in bound.field.split("."):
                value = value.get(name) if isinstance(value, Mapping) else None
            if not isinstance(value, int | float):
                raise ConfigError(
                    f"subset: {self.name(row)} has no number {bound.field!r}; "
                    f"its record has: {', '.join(sorted(self.record(row)))}"
                )
            if bound.least is not None and value < bound.least:
                return False
            if bound.most is not None and value > bound.most:
                return False
        return True


def read(folders: Sequence[Path], digest: str, shape: Clips) -> tuple[Cached, ...]:
    """The caches of several folders.

    Args:
        folders: where `cache` wrote.
        digest: of the autoencoder that made them.
        shape: of the clips of a cache that does not say it.

    Raises:
        DataError: no cache, or one made with other weights.
    """
    if not folders:
        raise DataError("no cache: expected at least one folder, see `kineograph cache`")
    found = []
    for folder in folders:
        clips, told = latents.read(folder, digest), latents.description(folder)
        own = {name: told[name] for name in ("frames", "size", "fps") if name in told}
        found.append(Cached.of(clips, replace(shape, **own)))
    return tuple(found)
