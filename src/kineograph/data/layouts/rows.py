"""One row of somebody's list -> one clip, or the reason why not and what would mend it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kineograph.data.clip import Caption, Clip, Facts, Span, from_record
from kineograph.errors import DataError, nearest

Row = Mapping[str, object]

OWN = "clip"  # the field in which our own exports keep the whole record
_DERIVED = {"aspect_ratio", "resolution", "duration", "cut", "id", "relpath"}
_FASTEST = 100_000  # frames per second
_NOTHING = {"", "nan", "none", "null", "n/a"}


@dataclass(frozen=True)
class Problem:
    """A row that is no clip: which one, why, and what to do about it."""

    row: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.row}: {self.reason}; {self.fix}"


class Malformed(Exception):
    """A row that cannot be read; says why and how to mend it."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"{reason}; {fix}")
        self.reason, self.fix = reason, fix


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What a layout calls things: the first name that a row has is taken.

    source: of the file; captions: all that are there are kept, in this order.
    """

    source: tuple[str, ...]
    captions: tuple[str, ...] = ("text", "caption", "prompt", "cap")

    def clip(self, row: object, root: Path) -> Clip:
        """The clip of a row.

        Args:
            row: a mapping of names to values.
            root: relative paths begin there.

        Raises:
            Malformed: no mapping, no source, or a value that is wrong.
        """
        if not isinstance(row, Mapping):
            kind = type(row).__name__
            raise Malformed(f"the row is a {kind}", "write a table of names and values")
        if OWN in row:
            return _own(row[OWN], root)
        height, width = _size(row)
        cut = _pair(row, "cut")
        known = {*self.source, *self.captions, *_DERIVED, *_FACTS}
        try:
            return Clip(
                source=str(root / self._source(row)),
                span=None if cut is None else _frames_span(cut, _positive(row, "fps")),
                facts=Facts(
                    frames=_whole(row, "num_frames"),
                    height=height,
                    width=width,
                    fps=_positive(row, "fps"),
                ),
                captions=self._captions(row),
                scores=_scores(row, known),
                notes=_notes(row, known),
            )
        except DataError as error:
            raise Malformed(str(error), "correct the value") from None

    def _source(self, row: Row) -> str:
        for name in self.source:
            value = row.get(name)
            if value is None or value == "":
                continue
            if not isinstance(value, str) or not value.strip() or "\0" in value:
                raise Malformed(f"{name} is {_short(value)}", "write the path of a video file")
            return value.strip()
        wanted = " or ".join(repr(name) for name in self.source)
        raise Malformed(
            f"no path in {wanted}" + nearest(self.source[0], [str(name) for name in row]),
            "write the path of a video file there",
        )

    def _captions(self, row: Row) -> tuple[Caption, ...]:
        found: list[Caption] = []
        for name in self.captions:
            given = row.get(name)
            for text in given if isinstance(given, list | tuple) else [given]:
                if text is None or (isinstance(text, float) and math.isnan(text)):
                    continue
                if not isinstance(text, str):
                    raise Malformed(
                        f"{name} is {_short(given)}", "write a sentence, or a list of sentences"
                    )
                if text.strip():
                    found.append(Caption(text=_unicode(name, text.strip()), origin=name))
        return tuple(found)


_FACTS = {"num_frames", "height", "width", "fps"}


def _own(data: object, root: Path) -> Clip:
    """A clip that was exported whole; its source is relative to where it lies now."""
    try:
        clip = from_record(data)
        return Clip(**{**vars(clip), "source": str(root / clip.source)})
    except DataError as error:
        raise Malformed(str(error), "export the dataset again") from None


def _size(row: Row) -> tuple[int | None, int | None]:
    """Height and width, of the row or of its `resolution`."""
    resolution = row.get("resolution")
    if isinstance(resolution, Mapping):
        row = {**resolution, **{name: one for name, one in row.items() if one is not None}}
    return _whole(row, "height"), _whole(row, "width")


def _frames_span(cut: tuple[int, int], fps: float | None) -> Span:
    first, stop = cut
    if not 0 <= first < stop:
        raise Malformed(f"cut is {[first, stop]}", "write first frame < frame behind the last")
    seconds = (first / fps, stop / fps) if fps else (0.0, None)
    return Span(start=seconds[0], end=seconds[1], first=first, stop=stop)


def _pair(row: Row, name: str) -> tuple[int, int] | None:
    given = row.get(name)
    if isinstance(given, str):
        if _is_nothing(given):
            return None
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise Malformed(f"{name} is {_short(given)}", "write [first, stop]") from None
    if given is None:
        return None
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise Malformed(f"{name} is {_short(given)}", "write [first, stop]")
    numbers = [_whole({name: one}, name) for one in given]
    if numbers[0] is None or numbers[1] is None:
        raise Malformed(f"{name} is {_short(given)}", "write [first, stop]")
    return numbers[0], numbers[1]


def _number(row: Row, name: str) -> float | None:
    """A number, written as one or as text; None where there is none."""
    given = row.get(name)
    if given is None or _is_nothing(given):
        return None
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise Malformed(f"{name} is {_short(given)}", "write a number, or leave it empty")
    try:
        number = float(given)
    except (ValueError, OverflowError):
        raise Malformed(f"{name} is {_short(given)}", "write a number, or leave it empty") from None
    return None if math.isnan(number) else number


def _positive(row: Row, name: str) -> float | None:
    """A rate; 0 means not known, as some lists have it for pictures."""
    number = _number(row, name)
    if number is not None and not 0 <= number <= _FASTEST:
        raise Malformed(f"{name} is {_short(row[name])}", f"write a number, 0 to {_FASTEST}")
    return number or None


def _whole(row: Row, name: str) -> int | None:
    number = _number(row, name)
    if number is None:
        return None
    if not math.isfinite(number) or number != int(number) or not 0 <= number < 2**31:
        raise Malformed(f"{name} is {_short(row[name])}", "write a whole number, 0 or more")
    return int(number)


def _scores(row: Row, known: set[str]) -> dict[str, float]:
    """Every other number; text that is a number counts, `nan` means that there is none."""
    found = {}
    for name, given in row.items():
        if name in known or isinstance(given, bool) or not isinstance(given, int | float | str):
            continue
        try:
            number = float(given)
        except (ValueError, OverflowError):
            continue
        if math.isfinite(number):
            found[_unicode("a name", str(name))] = number
    return found


def _notes(row: Row, known: set[str]) -> dict[str, str]:
    """Everything else that a row says; nothing that somebody wrote is lost."""
    scores = _scores(row, known)
    found = {}
    for name, given in row.items():
        if name in known or name in scores or given is None or _is_nothing(given):
            continue
        text = given if isinstance(given, str) else json.dumps(given, default=str)
        found[_unicode("a name", str(name))] = _unicode(str(name), text)
    return found


def _unicode(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed(f"{name} is {_short(text)}, no valid Unicode", "write it anew") from None
    return text


def _is_nothing(given: object) -> bool:
    if isinstance(given, float):
        return math.isnan(given)
    return isinstance(given, str) and given.strip().lower() in _NOTHING


def _short(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
