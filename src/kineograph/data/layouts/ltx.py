"""LTX-Video's trainer: `dataset.json`, a list of media_path and caption; csv and jsonl, too."""

from collections.abc import Iterator
from pathlib import Path

from kineograph.data.layouts.files import first_of
from kineograph.data.layouts.lines import Found, by_suffix, clips, keys
from kineograph.data.layouts.rows import Columns

NAMES = ("dataset.json", "dataset.jsonl", "dataset.csv")
COLUMNS = Columns(source=("media_path", "video"), captions=("caption", "prompt"))


def looks(path: Path) -> bool:
    """A list with `media_path`, or a folder with such a `dataset.json`."""
    listed = path if path.is_file() else first_of(path, NAMES)
    return listed is not None and "media_path" in keys(listed)


def read(path: Path) -> Iterator[Found]:
    """The clips of the list; relative paths begin where it lies."""
    listed = first_of(path, NAMES) or path
    return clips(by_suffix(listed), COLUMNS, listed.parent)
