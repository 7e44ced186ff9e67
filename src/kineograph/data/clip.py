"""The record of a clip: where it lies, what it is, what is said about it. The one schema of data.

Every layout is read into it and written from it. It is plain data; reading it is strict.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kineograph.config import from_data, to_data
from kineograph.errors import ConfigError, DataError

MEASURED, CLAIMED = "measured", "claimed"


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A sentence about a clip, and where it comes from: a file's name, a person, a model."""

    text: str
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class Span:
    """The part of a file that is the clip.

    start, end: seconds after the file's first frame, None: to its end; first, stop: the exact
    numbers of its first frame and of the one behind its last, None: not counted yet.
    """

    start: float = 0.0
    end: float | None = None
    first: int | None = None
    stop: int | None = None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise DataError(f"span {self.start} to {self.end} s: expected 0 <= start < end")
        if self.first is not None and (self.first < 0 or (self.stop or self.first) < self.first):
            raise DataError(f"frames {self.first} to {self.stop}: expected 0 <= first <= stop")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a clip is: frames of height x width pixels as shown, fps frames a second.

    origin: `measured` by decoding it, or `claimed` by whoever wrote the list; None: not known.
    """

    frames: int | None = None
    height: int | None = None
    width: int | None = None
    fps: float | None = None
    origin: str = CLAIMED

    def __post_init__(self) -> None:
        for name, number in (("frames", self.frames), ("fps", self.fps)):
            if number is not None and not 0 < number < float("inf"):
                raise DataError(f"{name} = {number}: expected more than 0")
        for name, side in (("height", self.height), ("width", self.width)):
            if side is not None and side < 1:
                raise DataError(f"{name} = {side}: expected at least 1")
        if self.origin not in (MEASURED, CLAIMED):
            raise DataError(f"facts {self.origin!r}: expected {MEASURED!r} or {CLAIMED!r}")

    @property
    def measured(self) -> bool:
        """Whether somebody has decoded the clip."""
        return self.origin == MEASURED


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One clip.

    source: a file; `shard.tar/name.mp4` is a member of a tar file. captions: the first is the
    main one. scores: numbers, such as `aesthetic`; notes: any other words that the list holds.
    digest: of the file's bytes, None: not known yet.
    """

    source: str
    span: Span | None = None
    facts: Facts = field(default_factory=Facts)
    captions: tuple[Caption, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    digest: str | None = None

    def __post_init__(self) -> None:
        if not self.source.strip() or "\0" in self.source:
            raise DataError(f"source {self.source!r}: expected the path of a file")
        try:
            self.source.encode()
        except UnicodeEncodeError:
            raise DataError(f"source {self.source!r}: expected a name in Unicode") from None
        for name, score in self.scores.items():
            if not math.isfinite(score):
                raise DataError(f"scores.{name} = {score}: expected a finite number")

    @property
    def path(self) -> Path:
        """Where its file lies."""
        return Path(self.source)

    @property
    def texts(self) -> tuple[str, ...]:
        """What its captions say."""
        return tuple(caption.text for caption in self.captions)


def to_record(clip: Clip) -> dict[str, object]:
    """A clip as plain data, without what is not known; `from_record` reads it."""
    whole = to_data(clip)
    return {name: inside for name, value in whole.items() if (inside := _known(value))}


def from_record(data: object) -> Clip:
    """The clip that plain data describe, every name and type checked.

    Raises:
        DataError: a name that is unknown or missing, or a value that is wrong.
    """
    try:
        return from_data(Clip, data)
    except ConfigError as error:
        raise DataError(str(error)) from None


def _known(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: one for name, one in value.items() if one is not None}
    return value
