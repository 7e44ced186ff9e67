"""One video as a user words it: names of files, sizes as text; also a row of a file of prompts."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from kineograph.errors import ConfigError, DataError, nearest
from kineograph.generation.pairs import pair
from kineograph.generation.request import Request, with_files


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A prompt and everything that may be said beside it; None leaves the choice to the recipe.

    size: `64x48`, aspect: `16:9`, at: `8=middle.png` for each further frame that is given. The
    others are those of a `Request`. out: the file to write, relative to the folder of all.
    """

    prompt: str = ""
    seed: int | None = None
    negative: str = ""
    image: Path | None = None
    last_image: Path | None = None
    at: tuple[str, ...] = ()
    video: Path | None = None
    signal: Path | None = None
    task: str = "continue"
    strength: float = 1.0
    seconds: float | None = None
    frames: int | None = None
    size: str | None = None
    aspect: str | None = None
    fps: float | None = None
    steps: int | None = None
    guidance: float | None = None
    out: Path | None = None

    def files(self) -> dict[str, Path]:
        """Pictures and videos by their role."""
        single = {
            "image": self.image,
            "last_image": self.last_image,
            "video": self.video,
            "signal": self.signal,
        }
        found = {role: path for role, path in single.items() if path is not None}
        for text in self.at:
            index, equals, name = text.partition("=")
            if not (equals and name and index.strip().isdecimal()):
                raise ConfigError(f"at {text!r}: expected FRAME=PICTURE, e.g. 8=middle.png")
            found[f"at {int(index)}"] = Path(name)
        return found

    def plain(self) -> Request:
        """The request, still without pictures and videos.

        Raises:
            ConfigError: size or aspect are not two numbers.
        """
        width, height = pair(self.size, "x", "--size 64x64") if self.size else (None, None)
        across, down = pair(self.aspect, ":", "--aspect 16:9") if self.aspect else (None, None)
        return Request(
            frames=self.frames,
            seconds=self.seconds,
            width=width,
            height=height,
            aspect=across / down if across and down else None,
            fps=self.fps,
            steps=self.steps,
            guidance=self.guidance,
            negative=self.negative,
            seed=self.seed or 0,
            task=self.task,
            strength=self.strength,
        )

    def request(self, fps: float) -> Request:
        """The request; `fps`: at which a given video is read where nothing is said.

        Raises:
            ConfigError: something is written in a way that cannot be read.
            MediaError: a picture or a video cannot be read.
        """
        return with_files(self.plain(), self.files(), self.fps or fps)


# --- files of prompts ---------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """The wishes of a file in their order, and the names of columns that mean nothing here."""

    wishes: tuple[Wish, ...]
    ignored: tuple[str, ...] = ()


def read_wishes(path: Path, base: Wish) -> Table:
    """The videos that a file asks for.

    Args:
        path: .txt with a prompt in each line; .csv with a column `prompt`, .parquet alike, .jsonl
            with an entry `prompt` in each line, or plain strings. Further columns are named like
            the fields of `Wish`; names of files are relative to the folder of this file.
        base: what holds where a row says nothing.

    Raises:
        DataError: the file is missing, of another kind, or empty, or a row cannot be read.
    """
    rows = list(_rows(path))
    if not rows:
        raise DataError(f"{path}: no prompts; expected at least one")
    known = {field.name for field in fields(Wish)}
    names = dict.fromkeys(name for _, row in rows for name in row)
    wishes = tuple(_wish(path, number, row, base) for number, row in rows)
    return Table(wishes, tuple(name for name in names if name not in known))


def hints(ignored: tuple[str, ...]) -> list[str]:
    """What should be said about columns that were not read."""
    known = [field.name for field in fields(Wish)]
    return [f"column {name!r} is not read{nearest(name, known)}" for name in ignored]


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The number of each line and what stands in it; empty lines do not count."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        yield from _parquet(path)
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected a text file") from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    match ending:
        case ".csv":
            table = csv.DictReader(io.StringIO(text))
            columns = table.fieldnames or []
            if "prompt" not in columns:
                raise DataError(f"{path}: columns {', '.join(columns)}; expected one named prompt")
            for row in table:
                if (row["prompt"] or "").strip():
                    yield table.line_num, {name: row[name] for name in columns}
        case ".jsonl":
            for number, line in lines:
                yield number, _json(path, number, line)
        case ".txt":
            for number, line in lines:
                yield number, {"prompt": line.strip()}
        case _:
            raise DataError(f"{path}: ending {ending!r}; expected .csv, .jsonl, .parquet or .txt")


def _parquet(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected a parquet file") from None
    if "prompt" not in table.column_names:
        columns = ", ".join(table.column_names)
        raise DataError(f"{path}: columns {columns}; expected one named prompt")
    yield from enumerate(table.to_pylist(), 1)


def _json(path: Path, number: int, line: str) -> Mapping[str, object]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {number}: no valid JSON ({error.msg})") from None
    row = {"prompt": entry} if isinstance(entry, str) else entry
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise DataError(f'{path}, line {number}: expected {{"prompt": "..."}} or a string')
    return row


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value.strip()


def _whole(value: object) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError
    return int(number)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    return float(value)


def _list(value: object) -> tuple[str, ...]:
    parts = value.split(";") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError
    return tuple(_text(part) for part in parts)


def _path(value: object) -> Path:
    return Path(_text(value))


READ: dict[str, tuple[str, Callable[[object], object]]] = {
    **dict.fromkeys(("prompt", "negative", "task", "size", "aspect"), ("a text", _text)),
    **dict.fromkeys(("seed", "frames", "steps"), ("a whole number", _whole)),
    **dict.fromkeys(("strength", "seconds", "fps", "guidance"), ("a number", _number)),
    **dict.fromkeys(("image", "last_image", "video", "signal", "out"), ("a file", _path)),
    "at": ("FRAME=PICTURE, several with ; between them", _list),
}
INPUTS = ("image", "last_image", "video", "signal")


def _wish(path: Path, number: int, row: Mapping[str, object], base: Wish) -> Wish:
    """A row's wish; empty cells say nothing."""
    found: dict[str, object] = {}
    for name, (expected, read) in READ.items():
        value = row.get(name)
        if value is None or value == "":
            continue
        try:
            found[name] = read(value)
        except (ValueError, OverflowError):
            raise DataError(
                f"{path}, line {number}: {name} {value!r}: expected {expected}"
            ) from None
    for name in INPUTS:
        file = found.get(name)
        if isinstance(file, Path):
            found[name] = path.parent / file
    at = found.get("at")
    if isinstance(at, tuple):
        moved = (text.partition("=") for text in at)
        found["at"] = tuple(f"{index}={path.parent / name}" for index, _, name in moved)
    return replace(base, **found)  # type: ignore[arg-type]
