"""Rows of text files: CSV, JSON lines, JSON lists, plain lines. What is broken costs one row only.

Every reader gives (where, row) pairs; `where` names the file and the line or the item.
"""

import csv
import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from kineograph.data.clip import Clip
from kineograph.data.layouts.rows import Columns, Malformed, Problem
from kineograph.errors import DataError

Found = Clip | Problem
Numbered = tuple[str, object]

_PEEK = 65536  # bytes that say which layout a file has
_MOST = 100  # lines of one CSV record
_MENDS = "put quotes around cells with commas or line breaks, and double those inside"


def clips(rows: Iterator[Numbered], columns: Columns, root: Path) -> Iterator[Found]:
    """The clips of rows; each row that is none is a problem."""
    for where, row in rows:
        if isinstance(row, Problem):
            yield row
            continue
        try:
            yield columns.clip(row, root)
        except Malformed as error:
            yield Problem(where, error.reason, error.fix)


def csv_rows(path: Path) -> Iterator[Numbered]:
    """Rows of a CSV file with a header.

    Raises:
        DataError: the file cannot be read, or has no header.
    """
    lines = deque[tuple[int, bytes]]()
    source = enumerate(_open_lines(path), 1)
    head = header(path)
    if not head:
        raise DataError(f"{path}: the first line is no CSV header")
    next(source, None)
    while True:
        if not lines:
            following = next(source, None)
            if following is None:
                return
            lines.append(following)
        number, _ = lines[0]
        cells, used = _record(lines, source, len(head))
        where = f"{path.name}, line {number}"
        for _ in range(used):
            lines.popleft()
        if isinstance(cells, str):
            yield where, Problem(where, cells, _MENDS)
        elif cells:
            yield where, dict(zip(head, cells, strict=True))


def _record(
    lines: deque[tuple[int, bytes]], source: Iterator[tuple[int, bytes]], width: int
) -> tuple[list[str] | str, int]:
    """The first record of the lines and how many it takes; what is wrong with the first if none.

    A cell in quotes may hold line breaks. A quote that is never closed would swallow the rest of
    the file: such a record must have the right number of cells, or only its first line is lost.
    """
    text, wrong = "", ""
    for taken in range(1, _MOST + 1):
        if taken > len(lines):
            following = next(source, None)
            if following is None:
                break
            lines.append(following)
        try:
            text += lines[taken - 1][1].decode()
        except UnicodeDecodeError as error:
            return wrong or f"is no UTF-8 text (byte {error.start + 1})", 1
        if not text.strip():
            return [], 1
        try:
            [cells] = csv.reader([text.rstrip("\r\n")], strict=True)
        except (csv.Error, ValueError) as error:
            if "unexpected end" not in str(error):
                return wrong or f"is no CSV: {error}", 1
            wrong = "a quote is opened and never closed"
            continue
        if len(cells) == width:
            return cells, taken
        return wrong or f"has {len(cells)} cells, the header {width}", 1
    return wrong, 1


def json_lines(path: Path) -> Iterator[Numbered]:
    """Rows of a file with a JSON value in each line.

    Raises:
        DataError: the file cannot be read.
    """
    for number, line in enumerate(_open_lines(path), 1):
        where = f"{path.name}, line {number}"
        try:
            text = line.decode()
            if text.strip():
                yield where, json.loads(text)
        except (ValueError, RecursionError) as error:
            yield where, Problem(where, f"is no JSON: {error}", "write one object in each line")


def json_list(path: Path) -> Iterator[Numbered]:
    """Items of a file that holds one JSON list; an item that is broken costs only itself.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    text = _text(path)
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        if not text.lstrip().startswith("["):
            raise DataError(f"{path}: expected a JSON list of objects") from None
        yield from _mended(path, text)
        return
    if not isinstance(whole, list):
        raise DataError(f"{path}: expected a JSON list, found a {type(whole).__name__}")
    for number, item in enumerate(whole, 1):
        yield f"{path.name}, item {number}", item


_NEXT = re.compile(r"\}?\s*,\s*(?=\{)|\s*\]\s*\Z")


def _mended(path: Path, text: str) -> Iterator[Numbered]:
    """The items of a list that is no JSON as a whole."""
    decoder = json.JSONDecoder()
    at, number = text.index("[") + 1, 0
    while at < len(text):
        at = len(text) - len(text[at:].lstrip(" \t\r\n,"))
        if at >= len(text) or text[at] == "]":
            return
        number += 1
        where = f"{path.name}, item {number} (line {text.count(chr(10), 0, at) + 1})"
        try:
            item, at = decoder.raw_decode(text, at)
            yield where, item
        except (ValueError, RecursionError) as error:
            yield where, Problem(where, f"is no JSON: {error}", "write a JSON object")
            following = _NEXT.search(text, at + 1)
            at = following.end() if following else len(text)


def plain_lines(path: Path) -> list[str | Problem]:
    """Every line without its end.

    Raises:
        DataError: the file cannot be read.
    """
    found: list[str | Problem] = []
    for number, line in enumerate(_open_lines(path), 1):
        try:
            found.append(line.decode().strip())
        except UnicodeDecodeError:
            where = f"{path.name}, line {number}"
            found.append(Problem(where, "is no UTF-8 text", "write it in UTF-8"))
    return found


def header(path: Path) -> tuple[str, ...]:
    """The names in the first line of a CSV file; none where there is no such line."""
    try:
        with path.open("rb") as file:
            line = file.readline(_PEEK).decode("utf-8-sig").rstrip("\r\n")
        [names] = csv.reader([line], strict=True)
    except (OSError, ValueError, csv.Error):
        return ()
    return tuple(name.strip() for name in names)


def keys(path: Path) -> set[str]:
    """Names that are used near the beginning of a JSON file, or a CSV file's header."""
    if path.suffix.lower() == ".csv":
        return set(header(path))
    if path.suffix.lower() not in (".json", ".jsonl"):
        return set()
    try:
        with path.open("rb") as file:
            return set(re.findall(r'"([^"\\]+)"\s*:', file.read(_PEEK).decode(errors="replace")))
    except OSError:
        return set()


def by_suffix(path: Path) -> Iterator[Numbered]:
    """Rows of a CSV, JSON-lines or JSON file.

    Raises:
        DataError: another kind of file, or one that cannot be read.
    """
    readers: dict[str, Callable[[Path], Iterator[Numbered]]] = {
        ".csv": csv_rows,
        ".jsonl": json_lines,
        ".json": json_list,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: expected a file in {', '.join(readers)}")
    return reader(path)


def _open_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file):
                yield line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
