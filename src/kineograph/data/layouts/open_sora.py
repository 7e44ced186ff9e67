"""Open-Sora 1.x and 2.0: a csv or parquet file with `path`, `text` and what was measured.

Columns: path, text, num_frames, height, width, aspect_ratio (height over width), resolution
(pixels), fps, and scores such as aes, flow, match. A folder holds one such file.
"""

from collections.abc import Iterator
from pathlib import Path

from kineograph.data.layouts.lines import Found, clips, csv_rows, header
from kineograph.data.layouts.parquet import names, parquet_rows
from kineograph.data.layouts.rows import Columns

COLUMNS = Columns(source=("path",))


def looks(path: Path) -> bool:
    """A table with a column `path`, or a folder in which there is one such table."""
    return len(_tables(path)) == 1


def read(path: Path) -> Iterator[Found]:
    """The clips of a table; relative paths begin where it lies."""
    found = _tables(path)
    table = found[0] if found else path
    rows = parquet_rows(table) if table.suffix.lower() == ".parquet" else csv_rows(table)
    return clips(rows, COLUMNS, table.parent)


def _tables(path: Path) -> list[Path]:
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    return [one for one in inside if one.is_file() and "path" in _columns(one)]


def _columns(path: Path) -> tuple[str, ...]:
    if path.suffix.lower() == ".csv":
        return header(path)
    return names(path) if path.suffix.lower() == ".parquet" else ()
