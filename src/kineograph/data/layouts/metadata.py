"""`metadata.csv` or `metadata.jsonl` beside the videos: `file_name` or `video`, and a caption.

The layout of Hugging Face datasets, of DiffSynth and of finetrainers; `export` writes it, too.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from kineograph.data.clip import Clip, to_record
from kineograph.data.layouts.copies import Copies
from kineograph.data.layouts.files import first_of, written
from kineograph.data.layouts.lines import Found, by_suffix, clips, keys
from kineograph.data.layouts.rows import OWN, Columns
from kineograph.errors import DataError

NAMES = ("metadata.jsonl", "metadata.csv", "metadata.json")
COLUMNS = Columns(source=("file_name", "video"), captions=("prompt", "text", "caption"))


def looks(path: Path) -> bool:
    """A list with `file_name` or `video`, or a folder with such a `metadata` file."""
    listed = path if path.is_file() else first_of(path, NAMES)
    if listed is None:
        return False
    found = keys(listed)
    return bool(found & set(COLUMNS.source)) and "media_path" not in found


def read(path: Path) -> Iterator[Found]:
    """The clips of the list; relative paths begin where it lies."""
    listed = path if path.is_file() else first_of(path, NAMES)
    if listed is None:
        raise DataError(f"{path}: expected one of {', '.join(NAMES)} there")
    return clips(by_suffix(listed), COLUMNS, listed.parent)


def write(clips: Iterable[Clip], folder: Path) -> int:
    """Copy the files of clips into a folder, and list them in its `metadata.jsonl`.

    A file that serves several clips is copied once. Each line has `file_name` and `text` for
    others, and the whole record for us.

    Returns:
        How many clips it lists.

    Raises:
        DataError: a file is missing, or something cannot be written.
    """
    copy, count = Copies(folder), 0
    with written(folder / NAMES[0]) as part, part.open("w", encoding="utf-8") as file:
        for clip in clips:
            row = line(replace(clip, source=copy(clip)))
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def line(clip: Clip) -> dict[str, object]:
    """What a clip's line holds."""
    text = clip.texts[0] if clip.captions else ""
    return {"file_name": clip.source, "text": text, OWN: to_record(clip)}
