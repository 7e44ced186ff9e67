"""Open-Sora Plan: `data.txt` with lines `folder,list.json`; the list holds path, cap, and sizes.

An item: path (below the folder), cap (one caption or several), resolution {height, width},
num_frames, fps, duration, cut [first frame, frame behind the last]. A list alone will do.
"""

from collections.abc import Iterator
from pathlib import Path

from kineograph.data.layouts.files import first_of
from kineograph.data.layouts.lines import Found, clips, json_list, keys, plain_lines
from kineograph.data.layouts.rows import Columns, Problem
from kineograph.errors import DataError

NAME = "data.txt"
COLUMNS = Columns(source=("path",), captions=("cap",))
LISTS_OF_OTHERS = ("videos2caption.json", "dataset.json")


def looks(path: Path) -> bool:
    """A text file that names lists, a folder with a `data.txt`, or a list itself."""
    if path.suffix.lower() == ".json":
        return {"path", "cap"} <= keys(path) and path.name not in LISTS_OF_OTHERS
    text = path if path.is_file() and path.suffix.lower() == ".txt" else first_of(path, (NAME,))
    if text is None:
        return False
    try:
        lines = plain_lines(text)
    except DataError:
        return False
    return any(isinstance(line, str) and line.endswith((".json", ".jsonl")) for line in lines[:50])


def read(path: Path) -> Iterator[Found]:
    """The clips of all lists; folders and lists are relative to where the text file lies."""
    if path.suffix.lower() == ".json":
        yield from clips(json_list(path), COLUMNS, path.parent)
        return
    text = path if path.is_file() else path / NAME
    for number, line in enumerate(plain_lines(text), 1):
        if isinstance(line, Problem):
            yield line
        elif line:
            yield from _list(text, f"{text.name}, line {number}", line)


def _list(text: Path, where: str, line: str) -> Iterator[Found]:
    folder, comma, name = (piece.strip() for piece in line.partition(","))
    if not comma or not folder or not name or "\0" in line:
        yield Problem(where, f"is {line!r}", "write `folder,list.json`")
        return
    try:
        yield from clips(json_list(text.parent / name), COLUMNS, text.parent / folder)
    except (DataError, OSError) as error:
        yield Problem(where, str(error), "name a JSON list")
