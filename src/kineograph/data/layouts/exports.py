"""Lists for others: Open-Sora's, Open-Sora Plan's, FastVideo's, LTX-Video's, plain lines, sidecars.

Each writer copies the videos into a folder, and the list last, so that a list is never without its
files. What a layout has no place for stays behind; `KEEPS` in `table` says what it keeps.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kineograph.data.clip import Clip
from kineograph.data.layouts.copies import Copies, whole
from kineograph.data.layouts.files import written
from kineograph.data.layouts.lists import PROMPTS, VIDEOS
from kineograph.errors import DataError

Row = dict[str, Any]


def open_sora_csv(clips: Iterable[Clip], folder: Path) -> int:
    """`meta.csv` with path, text, measures and scores; returns how many clips it lists."""
    rows = _open_sora(clips, folder)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with written(folder / "meta.csv") as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, names or ["path", "text"], restval="")
        table.writeheader()
        table.writerows(rows)
    return len(rows)


def open_sora_parquet(clips: Iterable[Clip], folder: Path) -> int:
    """The same table as `meta.parquet`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = _open_sora(clips, folder)
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names or ("path", "text")}
    with written(folder / "meta.parquet") as part:
        pq.write_table(pa.table(columns), part)
    return len(rows)


def _open_sora(clips: Iterable[Clip], folder: Path) -> list[Row]:
    copy = Copies(folder)
    rows = []
    for clip in clips:
        facts = clip.facts
        row: Row = {"path": copy(whole(clip, "open-sora")), "text": first(clip)}
        row |= _known({"num_frames": facts.frames, "height": facts.height, "width": facts.width})
        if facts.height and facts.width:
            row["aspect_ratio"] = facts.height / facts.width
            row["resolution"] = facts.height * facts.width
        rows.append({**row, **_known({"fps": facts.fps}), **clip.scores})
    return rows


def open_sora_plan(clips: Iterable[Clip], folder: Path) -> int:
    """`data.txt`, which names `videos/` and the list `videos.json`; parts of files have a `cut`."""
    copy, items = Copies(folder), []
    for clip in clips:
        name = copy(clip).removeprefix("videos/")
        item = {"path": name, "cap": list(clip.texts), **_measures(clip)}
        if clip.span is not None:
            item["cut"] = _cut(clip)
        items.append({**item, **clip.scores})
    _json(folder / "videos.json", items)
    with written(folder / "data.txt") as part:
        part.write_text("videos,videos.json\n", encoding="utf-8")
    return len(items)


def fastvideo(clips: Iterable[Clip], folder: Path) -> int:
    """`videos2caption.json` beside `videos/`."""
    copy, items = Copies(folder), []
    for clip in clips:
        name = copy(whole(clip, "fastvideo")).removeprefix("videos/")
        items.append({"path": name, "cap": list(clip.texts), **_measures(clip), **clip.scores})
    _json(folder / "videos2caption.json", items)
    return len(items)


def ltx(clips: Iterable[Clip], folder: Path) -> int:
    """`dataset.json` with media_path and caption."""
    copy = Copies(folder)
    items = [{"media_path": copy(whole(one, "ltx")), "caption": first(one)} for one in clips]
    _json(folder / "dataset.json", items)
    return len(items)


def lists(clips: Iterable[Clip], folder: Path) -> int:
    """`videos.txt` and `prompts.txt`, line for line.

    Raises:
        DataError: a clip has no caption; its line would be empty.
    """
    copy = Copies(folder)
    videos, prompts = [], []
    for clip in clips:
        if not first(clip):
            raise DataError(
                f"{clip.source}: has no caption, and prompts.txt needs one for each video; write "
                "one, or choose another layout"
            )
        videos.append(copy(whole(clip, "lists")))
        prompts.append(" ".join(first(clip).split()))
    for name, found in ((PROMPTS[0], prompts), (VIDEOS[0], videos)):
        with written(folder / name) as part:
            part.write_text("".join(f"{line}\n" for line in found), encoding="utf-8")
    return len(videos)


def sidecar(clips: Iterable[Clip], folder: Path) -> int:
    """A `.txt` of the same name beside each video that has a caption."""
    copy, count = Copies(folder, inside=""), 0
    for clip in clips:
        count += 1
        if clip.source in copy.names:
            raise DataError(
                f"{clip.source}: serves two clips, and has one text beside it; expected a file "
                "for each clip"
            )
        name = copy(whole(clip, "sidecar"))
        if first(clip):
            with written((folder / name).with_suffix(".txt")) as part:
                part.write_text(" ".join(first(clip).split()) + "\n", encoding="utf-8")
    return count


def first(clip: Clip) -> str:
    """The main caption; empty where there is none."""
    return clip.texts[0] if clip.captions else ""


def _measures(clip: Clip) -> Row:
    """What Open-Sora Plan and FastVideo call a clip's measures; nothing that is not known."""
    facts = clip.facts
    found: Row = _known({"num_frames": facts.frames, "fps": facts.fps})
    if facts.height and facts.width:
        found["resolution"] = {"height": facts.height, "width": facts.width}
    if facts.frames and facts.fps:
        found["duration"] = facts.frames / facts.fps
    return found


def _cut(clip: Clip) -> list[int]:
    """First frame and the one behind the last.

    Raises:
        DataError: they have not been counted.
    """
    span = clip.span
    if span is None or span.first is None or span.stop is None:
        raise DataError(
            f"{clip.source}: its frames are not counted; run `kineograph data check --out` first"
        )
    return [span.first, span.stop]


def _known(row: Mapping[str, Any]) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def _json(path: Path, items: Sequence[Row]) -> None:
    with written(path) as part:
        part.write_text(json.dumps(items, ensure_ascii=False, indent=1), encoding="utf-8")
