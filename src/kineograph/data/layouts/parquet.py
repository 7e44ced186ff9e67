"""Parquet tables: rows of anybody's, and the ledger, which is our own form of a list of clips.

The ledger has a column for each field of a clip, so that other tools can ask it questions.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kineograph.data.clip import Clip, from_record, to_record
from kineograph.data.layouts.files import first_of, groups, written
from kineograph.data.layouts.lines import Found, Numbered
from kineograph.data.layouts.rows import Malformed, Problem
from kineograph.errors import DataError

LEDGER = "clips.parquet"
_GROUP = 1024  # rows that are in memory at one time
_FORMAT = "1"  # of the ledger; stands in the file's metadata


def names(path: Path) -> tuple[str, ...]:
    """The columns of a parquet file; none where it is no such file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return tuple(pq.read_schema(path).names)
    except (OSError, pa.ArrowException):
        return ()


def parquet_rows(path: Path) -> Iterator[Numbered]:
    """Rows of a parquet file; a group of rows that is damaged is one problem.

    Raises:
        DataError: the file is no parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: is no parquet file that can be read ({error})") from None
    with file:
        row = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            try:
                table = file.read_row_group(group, use_threads=False)
                for batch in table.to_batches(_GROUP):
                    for data in batch.to_pylist(maps_as_pydicts="lossy"):
                        row += 1
                        yield f"{path.name}, row {row}", data
            except (OSError, pa.ArrowException, UnicodeDecodeError, ValueError) as error:
                where = f"{path.name}, rows {row + 1} to {row + count}"
                yield where, Problem(where, f"are damaged: {error}", "copy the file again")
                row += count


def looks(path: Path) -> bool:
    """A ledger, or a folder with one."""
    ledger = path if path.is_file() else first_of(path, (LEDGER,))
    return ledger is not None and {"source", "captions"} <= set(names(ledger))


def read(path: Path) -> Iterator[Found]:
    """The clips of a ledger; relative sources begin where it lies."""
    ledger = path if path.is_file() else path / LEDGER
    for where, row in parquet_rows(ledger):
        if isinstance(row, Problem):
            yield row
            continue
        try:
            yield _clip(row, ledger.parent)
        except Malformed as error:
            yield Problem(where, error.reason, error.fix)


def _clip(row: Any, root: Path) -> Clip:
    record = {name: value for name, value in row.items() if value is not None}
    for name in ("span", "facts"):
        if name in record:
            inside = record[name].items() if isinstance(record[name], dict) else ()
            record[name] = {key: value for key, value in inside if value is not None}
    record.pop("text", None)  # the first caption once more, for people who look at the table
    try:
        clip = from_record(record)
        return Clip(**{**vars(clip), "source": str(root / clip.source)})
    except DataError as error:
        raise Malformed(str(error), "correct the value, or export the ledger again") from None


def write(clips: Iterable[Clip], path: Path) -> int:
    """Write a ledger, whole or not at all; sources become relative to it where they lie below.

    Returns:
        How many clips it holds.

    Raises:
        DataError: it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    with written(path) as part, pq.ParquetWriter(part, _schema()) as writer:
        for group in groups(clips, _GROUP):
            rows = [_row(clip, path.parent) for clip in group]
            writer.write_table(pa.Table.from_pylist(rows, schema=_schema()))
            count += len(rows)
    return count


def relative(source: str, root: Path) -> str:
    """A source as seen from a folder: relative where it lies below it, otherwise absolute."""
    absolute = os.path.abspath(source)
    below = os.path.abspath(root) + os.sep
    return absolute.removeprefix(below)


def _row(clip: Clip, root: Path) -> dict[str, Any]:
    record = to_record(clip)
    record["source"] = relative(clip.source, root)
    record["text"] = clip.texts[0] if clip.captions else None
    return record


def _schema() -> Any:
    import pyarrow as pa

    caption = pa.struct([("text", pa.string()), ("origin", pa.string())])
    span = [("start", pa.float64()), ("end", pa.float64())]
    span += [("first", pa.int64()), ("stop", pa.int64())]
    facts = [(name, pa.int64()) for name in ("frames", "height", "width")]
    facts += [("fps", pa.float64()), ("origin", pa.string())]
    return pa.schema(
        [
            ("source", pa.string()),
            ("text", pa.string()),
            ("span", pa.struct(span)),
            ("facts", pa.struct(facts)),
            ("captions", pa.list_(caption)),
            ("scores", pa.map_(pa.string(), pa.float64())),
            ("notes", pa.map_(pa.string(), pa.string())),
            ("digest", pa.string()),
        ],
        metadata={"kineograph.ledger": _FORMAT},
    )
