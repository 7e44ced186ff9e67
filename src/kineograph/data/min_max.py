"""Shapes of about the same number of tokens: min-max tokens, and equal tokens by dropping.

Instead of many buckets of any cost, every batch costs about the same. A token covers
`stride` x `stride` pixels.
"""

import math
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from kineograph.errors import ConfigError
from kineograph.media.framing import whole, within

RATIOS = ((1, 1), (3, 4), (4, 3), (9, 16), (16, 9))


@dataclass(frozen=True)
class Size:
    """Height and width in pixels."""

    height: int
    width: int

    @property
    def area(self) -> int:
        """Pixels of a frame."""
        return self.height * self.width


@dataclass(frozen=True, kw_only=True)
class MinMaxSizes:
    """The largest size of each shape under one bound (Open-Sora Plan, 2412.00131, 3.1).

    most: pixels that no size may exceed, such as 256 x 256; stride: what sides are multiples
    of; ratios: height to width, without a common divisor.
    """

    kind: Literal["min_max"] = "min_max"
    most: int = 65536
    stride: int = 16
    ratios: tuple[tuple[int, int], ...] = RATIOS

    def __post_init__(self) -> None:
        for rows, columns in self.ratios:
            if min(rows, columns) < 1 or math.gcd(rows, columns) != 1:
                raise ConfigError(f"ratio {rows}:{columns}: expected whole numbers in lowest terms")

    def factor(self, ratio: tuple[int, int]) -> int:
        """How many strides one unit of a ratio is long (equation 19); 0: there is no room."""
        return math.isqrt(self.most // (ratio[0] * ratio[1] * self.stride**2))

    def size(self, ratio: tuple[int, int]) -> Size:
        """The largest size of a ratio; 0 x 0 where the bound leaves no room."""
        unit = self.factor(ratio) * self.stride
        return Size(ratio[0] * unit, ratio[1] * unit)

    def place(self, height: int, width: int) -> Size | None:
        """The size of the ratio nearest to a picture's; None: it would have to be enlarged."""
        size = self._nearest(height, width)
        return size if self.large(height, width) else None

    def large(self, height: int, width: int) -> bool:
        """Whether a picture covers the size of its ratio."""
        size = self._nearest(height, width)
        return 0 < size.height <= height and 0 < size.width <= width

    def _nearest(self, height: int, width: int) -> Size:
        own = math.log(height / width)
        return self.size(min(self.ratios, key=lambda one: abs(math.log(one[0] / one[1]) - own)))

    @property
    def least(self) -> int:
        """Pixels of the smallest of these sizes (equation 20)."""
        return min(self.size(ratio).area for ratio in self.ratios)


@dataclass(frozen=True, kw_only=True)
class OwnShape:
    """Every clip keeps its shape, within an area (Open-Sora Plan 1.3, the code).

    most, least: pixels of a frame (least None: a quarter of most); stride: sides are cut to
    multiples of it; flat, upright: height / width that are still taken.
    """

    kind: Literal["own_shape"] = "own_shape"
    most: int = 236544
    least: int | None = None
    stride: int = 32
    flat: float = 0.5
    upright: float = 2.0

    def scaled(self, height: int, width: int) -> Size:
        """The size to scale to: as it is, or just inside the area; never enlarged."""
        return Size(*within(height, width, self.most))

    def cut(self, height: int, width: int) -> Size:
        """The middle that is cut out of the scaled picture."""
        size = self.scaled(height, width)
        return Size(*whole((size.height, size.width), self.stride))

    def place(self, height: int, width: int) -> Size | None:
        """The size that a picture is brought to; None: too little is left, or of a rare shape."""
        taken = self.large(height, width) and self.common(height, width)
        return self.cut(height, width) if taken else None

    def large(self, height: int, width: int) -> bool:
        """Whether enough is left of a picture."""
        least = self.most // 4 if self.least is None else self.least
        return self.cut(height, width).area >= least

    def common(self, height: int, width: int) -> bool:
        """Whether the shape that is cut out is neither too flat nor too upright."""
        size = self.cut(height, width)
        return bool(size.area) and self.flat <= size.height / size.width <= self.upright


@dataclass(frozen=True)
class Shape:
    """A clip's shape and how many tokens it has before some are dropped."""

    frames: int
    height: int
    width: int
    tokens: int


@dataclass(frozen=True, kw_only=True)
class EqualTokens:
    """Every clip is scaled to somewhat more than `tokens`, and the rest is dropped at random.

    So a batch needs neither padding nor packing, and clips of any shape cost the same
    (LTX-Video, 2501.00103, 2.5.3). The dropping is `conditioning.token_dropping.FixedCount`.

    tokens: how many are left; most: the largest share that is dropped; stride: pixels, and
    frames_stride: frames, of a token; the first frame has tokens of its own. lengths: frames
    that clips may have.
    """

    kind: Literal["equal_tokens"] = "equal_tokens"
    tokens: int
    most: float = 0.2
    stride: int = 32
    frames_stride: int = 8
    lengths: tuple[int, ...] = (1, 9, 17, 25, 33, 65, 97, 121, 161, 257)

    def __post_init__(self) -> None:
        wrong = [length for length in self.lengths if (length - 1) % self.frames_stride]
        if wrong:
            raise ConfigError(f"{wrong[0]} frames: expected 1 more than n x {self.frames_stride}")
        if self.tokens < 1 or not 0.0 <= self.most < 1.0:
            raise ConfigError(
                f"{self.tokens} tokens after dropping {self.most:g}: expected at least 1 token and "
                "a share from 0 up to 1"
            )

    def shapes(self, frames: int, height: int, width: int) -> tuple[Shape, ...]:
        """The shapes that a clip can be brought to, one per length, the shortest first.

        A clip is never enlarged; among the sizes of a length the one of nearest proportions
        counts, then the one with the fewest dropped tokens.
        """
        found = []
        for length in sorted(self.lengths):
            latents = (length - 1) // self.frames_stride + 1
            best = self._grid(latents, height, width) if length <= frames else None
            if best:
                rows, columns = best
                pixels = rows * self.stride, columns * self.stride
                found.append(Shape(length, *pixels, tokens=latents * rows * columns))
        return tuple(found)

    def choose(self, frames: int, height: int, width: int, dice: random.Random) -> Shape | None:
        """One of the clip's shapes, each as often; None: it is too small or too short."""
        shapes = self.shapes(frames, height, width)
        return dice.choice(shapes) if shapes else None

    def _grid(self, latents: int, height: int, width: int) -> tuple[int, int] | None:
        """Rows and columns of tokens of a clip of so many latent frames."""
        rows, columns = height // self.stride, width // self.stride
        return _nearest_grid(
            (rows, columns),
            height / width,
            math.ceil(self.tokens / latents),
            math.floor(self.tokens / (1.0 - self.most) / latents + 1e-9),
        )


@lru_cache(maxsize=4096)
def _nearest_grid(
    room: tuple[int, int], ratio: float, least: int, most: int
) -> tuple[int, int] | None:
    """The grid inside `room` with `least` to `most` cells whose proportions are nearest."""
    grids = (
        (rows, columns)
        for rows in range(1, room[0] + 1)
        for columns in range(-(-least // rows), min(room[1], most // rows) + 1)
    )
    return min(
        grids,
        key=lambda grid: (abs(math.log(grid[0] / grid[1] / ratio)), grid[0] * grid[1]),
        default=None,
    )
