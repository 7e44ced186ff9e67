"""All layouts that are read and written, by name; which one a place has is seen by looking.

A place is a file or a folder.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kineograph.data.clip import Clip
from kineograph.data.layouts import (
    cosmos_curate,
    exports,
    fastvideo,
    folder,
    lists,
    ltx,
    metadata,
    open_sora,
    open_sora_plan,
    parquet,
    webdataset,
)
from kineograph.data.layouts.lines import Found
from kineograph.errors import DataError, nearest


@dataclass(frozen=True)
class Layout:
    """A way to list clips.

    looks: whether a place has this layout; read: its clips in order, each row that is none as
    a problem; listed: whether there is a list. A list says more than a look at the files, so
    where there is one, layouts without are not asked.
    """

    summary: str
    looks: Callable[[Path], bool]
    read: Callable[[Path], Iterator[Found]]
    listed: bool = True


LAYOUTS = {
    "ledger": Layout("our own clips.parquet", parquet.looks, parquet.read),
    "open-sora": Layout("csv or parquet with path, text, ...", open_sora.looks, open_sora.read),
    "open-sora-plan": Layout(
        "data.txt of `folder,list.json`", open_sora_plan.looks, open_sora_plan.read
    ),
    "metadata": Layout("metadata.csv or metadata.jsonl", metadata.looks, metadata.read),
    "lists": Layout("videos.txt and prompts.txt", lists.looks, lists.read),
    "fastvideo": Layout("videos2caption.json", fastvideo.looks, fastvideo.read),
    "ltx": Layout("dataset.json with media_path, caption", ltx.looks, ltx.read),
    "webdataset": Layout("tar files of samples", webdataset.looks, webdataset.read),
    "cosmos-curate": Layout(
        "clips/ and metas/v0/ as cosmos-curate writes them", cosmos_curate.looks, cosmos_curate.read
    ),
    "sidecar": Layout("a .txt beside each video", folder.looks_sidecar, folder.read_sidecar, False),
    "video-folder": Layout(
        "videos in folders by split or label", folder.looks_labelled, folder.read_labelled, False
    ),
    "folder": Layout("videos alone, or one video", folder.looks_plain, folder.read_plain, False),
}


@dataclass(frozen=True)
class Writer:
    """A way to write clips down for others.

    write: clips and a place -> how many were written. keeps: of a record, where not all of it.
    """

    write: Callable[[Iterable[Clip], Path], int]
    keeps: str = ""


def _split(clips: Iterable[Clip], folder: Path) -> int:
    return metadata.write(clips, folder / "train")


MEASURES = "path, all captions, measures, scores"
WRITERS = {
    "ledger": Writer(parquet.write),
    "metadata": Writer(metadata.write),
    "webdataset": Writer(webdataset.write),
    "video-folder": Writer(_split),
    "open-sora": Writer(exports.open_sora_csv, "path, first caption, measures, scores"),
    "open-sora-parquet": Writer(exports.open_sora_parquet, "path, first caption, measures, scores"),
    "open-sora-plan": Writer(exports.open_sora_plan, f"{MEASURES}, parts of files"),
    "fastvideo": Writer(exports.fastvideo, MEASURES),
    "cosmos-curate": Writer(cosmos_curate.write, f"{MEASURES}, parts of files"),
    "ltx": Writer(exports.ltx, "path, first caption"),
    "lists": Writer(exports.lists, "path, first caption"),
    "sidecar": Writer(exports.sidecar, "path, first caption"),
}
"""What `export` can write."""

AUTO = "auto"


def recognise(place: Path) -> str:
    """The name of a place's layout.

    Raises:
        DataError: there is nothing, or its layout is not plain.
    """
    if not place.exists():
        raise DataError(f"{place}: there is no such file or folder")
    found: list[str] = []
    for listed in (True, False):
        same = [name for name, layout in LAYOUTS.items() if layout.listed == listed]
        found = found or [name for name in same if LAYOUTS[name].looks(place)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"{place}: could be {' or '.join(found)}; say which with --kind")
    known = "; ".join(f"{name}: {layout.summary}" for name, layout in LAYOUTS.items())
    raise DataError(f"{place}: has no layout that is known. There is {known}")


def read(place: Path, kind: str = AUTO) -> Iterator[Found]:
    """The clips of a place, and its problems, row by row.

    Args:
        place: a file or a folder.
        kind: the name of a layout, or `auto`.

    Raises:
        DataError: there is nothing, no such layout, or a file that cannot be read at all.
    """
    if kind != AUTO and kind not in LAYOUTS:
        raise DataError(f"no layout {kind!r}{nearest(kind, [*LAYOUTS, AUTO])}")
    name = recognise(place) if kind == AUTO else kind
    if not place.exists():
        raise DataError(f"{place}: there is no such file or folder")
    return LAYOUTS[name].read(place)
