"""Buckets: clips of one length, one size class and one shape, with a batch size of their own.

A table says which sizes and lengths there are, how probably a clip is kept in each, and
how many make a batch. A rule says where a clip goes; its draws come from a seed of the clip.
(Open-Sora 1.2, 2412.20404, 4.1; Open-Sora 2.0, 2503.09642, 4.2.)
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from numpy.random import Generator, default_rng

from kineograph.data.aspects import SizeClass, open_sora_1, open_sora_2
from kineograph.errors import ConfigError

SMALL, SHORT, CHANCE = "too small", "too short", "not kept by chance"
ROOM = 0.8  # share of a class's nominal area that a clip must have


@dataclass(frozen=True)
class ClipSize:
    """What a rule looks at: frames, pixels, and every how many-th frame is used."""

    frames: int
    height: int
    width: int
    interval: int = 1


@dataclass(frozen=True)
class Bucket:
    """Where clips of one shape go; `label` names the shape, `batch` 0 makes no batch."""

    size: str
    frames: int
    label: str
    height: int
    width: int
    batch: int

    @property
    def shape(self) -> str:
        """`51x144x256`: frames, height, width."""
        return f"{self.frames}x{self.height}x{self.width}"


@dataclass(frozen=True, kw_only=True)
class Length:
    """One length of a size class.

    frames: 1 is a picture; batch: clips of a batch, 0 where none is ever made; keep: probability
    that a clip which comes here stays; look: probability that this length is looked at, None:
    always, and nothing is drawn.
    """

    frames: int
    batch: int
    keep: float = 1.0
    look: float | None = None

    def __post_init__(self) -> None:
        if self.frames < 1 or self.batch < 0:
            raise ConfigError(f"bucket of {self.frames} frames, batch {self.batch}: too few")
        for name, share in (("keep", self.keep), ("look", self.look)):
            if share is not None and not 0.0 <= share <= 1.0:
                raise ConfigError(f"{name} = {share}: expected a probability from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class Row:
    """The lengths of one size class."""

    size: str
    lengths: tuple[Length, ...]


@dataclass(frozen=True, kw_only=True)
class ListedSizes:
    """The size classes of Open-Sora 1.x."""

    kind: Literal["listed"] = "listed"

    def __call__(self, name: str) -> SizeClass:
        """The class of that name; errors as for `open_sora_1`."""
        return open_sora_1(name)


@dataclass(frozen=True, kw_only=True)
class ComputedSizes:
    """The size classes of Open-Sora 2.0, in multiples of `multiple` pixels."""

    kind: Literal["computed"] = "computed"
    multiple: int = 16

    def __call__(self, name: str) -> SizeClass:
        """The class of that name, as for training; errors as for `open_sora_2`."""
        return open_sora_2(name, multiple=self.multiple)


@dataclass(frozen=True)
class Level:
    """A size class of a table with its lengths, the longest first; `first`: number of that one."""

    size: SizeClass
    lengths: tuple[Length, ...]
    first: int

    def fits(self, clip: ClipSize) -> bool:
        """Whether a clip is large enough for this class."""
        return clip.height * clip.width >= self.size.pixels * ROOM

    def numbered(self) -> Iterator[tuple[int, Length]]:
        """Every length with its number in the whole table."""
        return enumerate(self.lengths, self.first)


@dataclass(frozen=True, kw_only=True)
class OwnDraws:
    """Open-Sora 1.x: a length is taken only by clips that are longer than it.

    Each length draws from a generator of its own. Who is not kept falls to the next
    smaller size class, not to a shorter length.
    """

    kind: Literal["own_draws"] = "own_draws"

    def choose(
        self, levels: tuple[Level, ...], clip: ClipSize, seed: int
    ) -> tuple[Level, Length] | None:
        """The class and length of a clip; None: it is left out."""
        for level in levels:
            found = self._length(level, clip, seed) if level.fits(clip) else None
            if found is not None:
                return level, found
        return None

    def fills(self, clip: ClipSize, frames: int) -> bool:
        """Whether a clip can fill a length; a clip of one frame fills that of one only."""
        if clip.frames == 1 or frames == 1:
            return clip.frames == frames
        return clip.frames > frames * clip.interval

    def _length(self, level: Level, clip: ClipSize, seed: int) -> Length | None:
        for number, length in level.numbered():
            if not self.fills(clip, length.frames):  # its draws would be nobody else's
                continue
            draws = default_rng(seed + number)
            if length.frames == 1:
                if draws.random() < length.keep:
                    return length
                continue
            if length.look is None or draws.random() <= length.look:
                return length if length.keep >= 1 or draws.random() < length.keep else None
        return None


@dataclass(frozen=True, kw_only=True)
class OneDraw:
    """Open-Sora 2.0: a length is taken by clips that are as long after frames are left out.

    One generator serves all draws of a clip, and lengths that it cannot fill draw nothing.
    """

    kind: Literal["one_draw"] = "one_draw"

    def choose(
        self, levels: tuple[Level, ...], clip: ClipSize, seed: int
    ) -> tuple[Level, Length] | None:
        """The class and length of a clip; None: it is left out."""
        draws = default_rng(seed)
        for level in levels:
            found = self._length(level, clip, draws) if level.fits(clip) else None
            if found is not None:
                return level, found
        return None

    def fills(self, clip: ClipSize, frames: int) -> bool:
        """Whether a clip can fill a length; a clip of one frame fills that of one only."""
        left = clip.frames // clip.interval
        return left == frames if left == 1 or frames == 1 else left >= frames

    def _length(self, level: Level, clip: ClipSize, draws: Generator) -> Length | None:
        for length in level.lengths:
            if not self.fills(clip, length.frames):
                continue
            if length.frames == 1:
                if draws.random() < length.keep:
                    return length
            elif length.look is None or draws.random() >= 1.0 - length.look:
                return length if length.keep >= 1 or draws.random() <= length.keep else None
        return None


@dataclass(frozen=True, kw_only=True)
class BucketTable:
    """All buckets of a stage; the order of rows and lengths does not matter."""

    kind: Literal["buckets"] = "buckets"
    rows: tuple[Row, ...]
    sizes: ListedSizes | ComputedSizes = field(default_factory=ListedSizes)
    rule: OwnDraws | OneDraw = field(default_factory=OwnDraws)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The size classes, the largest first.

        Raises:
            ConfigError: an unknown class, or one that is there twice.
        """
        names = [row.size for row in self.rows]
        if len(set(names)) < len(names):
            raise ConfigError(f"buckets {', '.join(names)}: expected each size class once")
        classes = [(self.sizes(row.size), row) for row in self.rows]
        classes.sort(key=lambda pair: pair[0].pixels, reverse=True)
        levels: list[Level] = []
        first = 0
        for size, row in classes:
            lengths = sorted(row.lengths, key=lambda one: one.frames, reverse=True)
            levels.append(Level(size, tuple(lengths), first))
            first += len(lengths)
        return tuple(levels)

    @property
    def count(self) -> int:
        """How many buckets there are: one per size class, length and shape."""
        return sum(len(level.lengths) * len(level.size.aspects) for level in self.levels)

    def find(self, clip: ClipSize, seed: int) -> Bucket | None:
        """Where a clip goes.

        Args:
            clip: its frames and pixels.
            seed: of the clip's draws; see `row_seed`.

        Returns:
            The bucket; None where the clip fits nowhere or is kept nowhere.
        """
        found = self.rule.choose(self.levels, clip, seed)
        if found is None:
            return None
        level, length = found
        shape = level.size.closest(clip.height, clip.width)
        return Bucket(
            level.size.name, length.frames, shape.label, shape.height, shape.width, length.batch
        )

    def reason(self, clip: ClipSize) -> str:
        """Why a clip is in no bucket."""
        levels = [level for level in self.levels if level.fits(clip)]
        if not levels:
            return SMALL
        lengths = (length for level in levels for length in level.lengths)
        return CHANCE if any(self.rule.fills(clip, one.frames) for one in lengths) else SHORT

    def row_seed(self, row: int, *, seed: int, epoch: int) -> int:
        """The seed of the draws of a dataset's row in an epoch."""
        return seed + epoch + row * self.count
