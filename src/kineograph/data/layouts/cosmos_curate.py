"""The output tree of cosmos-curate: `clips/ID.mp4`, and about each `metas/v0/ID.json`.

A clip has caption windows, runs of frames with a sentence by each captioner; a window that is not
the whole clip is a part of its file. Clips that were filtered out there are problems here, with
their reason: nothing vanishes. Metadata in `metas_jsonl/v0` are read, too.
"""

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from kineograph.data.clip import Clip
from kineograph.data.layouts.copies import Copies
from kineograph.data.layouts.exports import first
from kineograph.data.layouts.files import written
from kineograph.data.layouts.lines import Found, Numbered, json_lines
from kineograph.data.layouts.rows import Columns, Malformed, Problem

CLIPS, FILTERED, METAS, LINES = "clips", "filtered_clips", "metas/v0", "metas_jsonl/v0"
_CAPTION = "_caption"
_RENAMED = {"framerate": "fps", "num_frames": "num_frames", "height": "height", "width": "width"}
_MOST = 2**22  # bytes of one clip's metadata
_ID = uuid.UUID("6f1d1ad2-6a2b-5a8e-9d0a-2b8f3f0b7c11")  # of names that exports give


def looks(path: Path) -> bool:
    """A folder with clips and their metadata."""
    return (path / CLIPS).is_dir() and any((path / name).is_dir() for name in (METAS, LINES))


def read(path: Path) -> Iterator[Found]:
    """A clip for each caption window, in the order of the metadata's names."""
    for where, row in _rows(path):
        if isinstance(row, Problem):
            yield row
            continue
        try:
            yield from _windows(where, row, path)
        except Malformed as error:
            yield Problem(where, error.reason, error.fix)


def _rows(path: Path) -> Iterator[Numbered]:
    for file in sorted((path / METAS).glob("*.json")):
        where = f"{METAS}/{file.name}"
        try:
            if file.stat().st_size > _MOST:
                raise ValueError(f"{file.stat().st_size} bytes")
            yield where, json.loads(file.read_bytes().decode("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            yield where, Problem(where, f"is no JSON: {error}", "write a JSON object there")
    for file in sorted((path / LINES).glob("*.jsonl")):
        yield from json_lines(file)


def _windows(where: str, row: object, root: Path) -> Iterator[Found]:
    if not isinstance(row, Mapping):
        kind = type(row).__name__
        raise Malformed(f"the metadata are a {kind}", "write a table of names and values")
    location = row.get("clip_location")
    if not isinstance(location, str) or not PurePosixPath(location).name or "\0" in location:
        raise Malformed(f"no path in 'clip_location': {location!a}", "write where the clip lies")
    place = PurePosixPath(location)
    if place.parent.name == FILTERED:
        raise Malformed("was filtered out by cosmos-curate", f"move it to {CLIPS}/ to keep it")
    windows = row.get("windows") or [{}]
    if not isinstance(windows, list) or not all(isinstance(one, Mapping) for one in windows):
        raise Malformed("windows are no list of tables", "write [{start_frame, end_frame, ...}]")
    for number, window in enumerate(windows, 1):
        told = f"{where}, window {number}"
        try:
            yield _clip(row, window, f"{CLIPS}/{place.name}", root)
        except Malformed as error:
            yield Problem(told, error.reason, error.fix)


def _clip(row: Mapping[str, Any], window: Mapping[str, Any], name: str, root: Path) -> Clip:
    """The clip of a window, by way of a row as other tables have it."""
    captions = tuple(key for key in window if str(key).endswith(_CAPTION))
    flat: dict[str, Any] = {"path": name, **{key: window[key] for key in captions}}
    for key, value in row.items():
        if key in ("windows", "filtered_windows", "clip_location", "valid"):
            continue
        if isinstance(value, Mapping) and key not in _RENAMED:
            flat |= {f"{key}.{inner}": one for inner, one in value.items()}
        else:
            flat[_RENAMED.get(key, key)] = value
    whole = flat.get("num_frames")
    cut = [window.get("start_frame"), window.get("end_frame")]
    if cut != [None, None]:
        # The last frame of a window belongs to it.
        cut[1] = cut[1] + 1 if isinstance(cut[1], int) else cut[1]
        if whole is None or cut != [0, whole]:
            flat["cut"] = cut
            flat.pop("num_frames", None)
    return Columns(source=("path",), captions=captions).clip(flat, root)


def write(clips: Iterable[Clip], folder: Path) -> int:
    """Copy the files of clips, and write the metadata of each; returns how many there are.

    Raises:
        DataError: a file is missing, or something cannot be written.
    """
    copy, count = Copies(folder), 0
    for clip in clips:
        unique = str(uuid.uuid5(_ID, f"{clip.source} {clip.digest} {first(clip)}"))
        name = f"{count:08x}{unique[8:]}"  # in order
        place = copy.to(clip, f"{CLIPS}/{name}{clip.path.suffix.lower()}")
        with written(folder / METAS / f"{name}.json") as part:
            part.write_text(json.dumps(_meta(clip, name, place), indent=1), encoding="utf-8")
        count += 1
    return count


def _meta(clip: Clip, name: str, place: str) -> dict[str, Any]:
    facts, span = clip.facts, clip.span
    found: dict[str, Any] = {
        "span_uuid": name,
        "clip_location": place,
        "width": facts.width,
        "height": facts.height,
        "framerate": facts.fps,
        "num_frames": facts.frames if span is None else None,
    }
    window: dict[str, Any] = {}
    if span is not None and span.first is not None and span.stop is not None:
        window = {"start_frame": span.first, "end_frame": span.stop - 1}
    elif span is None and facts.frames:
        window = {"start_frame": 0, "end_frame": facts.frames - 1}
    for caption in clip.captions:
        window[_key(caption.origin, window)] = caption.text
    known = {key: value for key, value in found.items() if value is not None}
    return {**known, **clip.scores, "windows": [window], "valid": True}


def _key(origin: str, taken: Mapping[str, Any]) -> str:
    """A caption's name: its origin, numbered where two have the same."""
    plain = re.sub(r"\W+", "_", origin.removesuffix(_CAPTION)).strip("_") or "text"
    names = [plain, *(f"{plain}_{number}" for number in range(2, len(taken) + 3))]
    return next(f"{one}{_CAPTION}" for one in names if f"{one}{_CAPTION}" not in taken)
