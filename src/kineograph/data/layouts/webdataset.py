"""WebDataset: tar files in which the members of a sample share a name: `.mp4`, `.txt`, `.json`.

`kineograph toybox` writes it, too. A clip's source is `shard.tar/name.mp4`; nothing is unpacked.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from kineograph.data.clip import Caption, Clip
from kineograph.data.layouts.files import groups, is_video, written
from kineograph.data.layouts.lines import Found
from kineograph.data.layouts.metadata import line
from kineograph.data.layouts.rows import OWN, Columns, Malformed, Problem
from kineograph.data.media import local

COLUMNS = Columns(source=("__video__",))
_TEXTS = ("txt", "caption", "text")
_MOST = 2**22  # bytes of a caption or a table


def looks(path: Path) -> bool:
    """A tar file, or a folder with some."""
    return bool(_shards(path))


def read(path: Path) -> Iterator[Found]:
    """The clips of all shards; a sample without a video is a problem."""
    for shard in _shards(path):
        try:
            with tarfile.open(shard, "r:") as archive:
                for stem, members in _samples(shard, archive):
                    yield _clip(shard, stem, archive, members)
        except (OSError, tarfile.TarError, Malformed) as error:
            yield Problem(shard.name, f"the tar file is damaged: {error}", "copy it again")


def _shards(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() == ".tar" else []
    return sorted(path.glob("*.tar")) if path.is_dir() else []


def _samples(
    shard: Path, archive: tarfile.TarFile
) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Neighbours with one stem, by ending; the stem ends at the first dot of the name."""
    stem: str | None = None
    members: dict[str, tarfile.TarInfo] = {}
    end = 0
    for member in archive:
        end = member.offset_data + member.size
        if not member.isfile() or member.name.rsplit("/", 1)[-1].startswith("."):
            continue
        folder, slash, name = member.name.rpartition("/")
        first, _, ending = name.partition(".")
        if folder + slash + first != stem:
            if stem is not None:
                yield stem, members
            stem, members = folder + slash + first, {}
        members[ending.lower()] = member
    if stem is not None:
        yield stem, members
    if end > shard.stat().st_size:
        raise Malformed("it ends in the middle of a member", "copy it again")


def _clip(
    shard: Path, stem: str, archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo]
) -> Found:
    where = f"{shard.name}, {stem!a}"
    video = next((one for one in members.values() if is_video(one.name)), None)
    if video is None:
        held = ", ".join(sorted(members))
        return Problem(where, f"has no video, only {held}", "put a video under the same name")
    if ".." in PurePosixPath(video.name).parts:
        return Problem(where, "climbs out of its folder", "give it a plain name")
    try:
        table = _table(archive, members.get("json"))
        row = {**table, "__video__": f"{shard.name}/{video.name}"}
        if OWN in table and isinstance(table[OWN], dict):
            row[OWN] = {**table[OWN], "source": row["__video__"]}
        clip = COLUMNS.clip(row, shard.parent)
        if OWN in row:
            return clip
        texts = [(ending, _text(archive, members.get(ending))) for ending in _TEXTS]
        own = [Caption(text=text, origin=ending) for ending, text in texts if text]
        rest = (one for one in clip.captions if one.text not in {text for _, text in texts})
        return replace(clip, captions=(*own, *rest))
    except Malformed as error:
        return Problem(where, error.reason, error.fix)


def _table(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> dict[str, Any]:
    try:
        table = json.loads(_text(archive, member) or "{}")
    except (ValueError, RecursionError) as error:
        raise Malformed(f"its .json is no JSON: {error}", "write a JSON object") from None
    if not isinstance(table, dict):
        raise Malformed(f"its .json is a {type(table).__name__}", "write a JSON object")
    return table


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> str:
    if member is None:
        return ""
    if member.size > _MOST:
        raise Malformed(f"{member.name!a} has {member.size} bytes", f"at most {_MOST}")
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise Malformed(f"{member.name!a} is no plain file", "store the file itself")
    try:
        return file.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Malformed(f"{member.name!a} is no UTF-8 text", "write it in UTF-8") from None


def write(clips: Iterable[Clip], folder: Path, *, shard: int = 1000) -> int:
    """Write tar files with `shard` clips each: the video, its first caption, its whole record.

    A file that serves several clips is stored with each of them.

    Returns:
        How many clips there are.

    Raises:
        DataError: a file is missing, or something cannot be written.
    """
    count = 0
    for number, group in enumerate(groups(clips, shard)):
        with (
            written(folder / f"clips-{number:05d}.tar") as part,
            tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for clip in group:
                _add(archive, f"{count:09d}", clip)
                count += 1
    return count


def _add(archive: tarfile.TarFile, key: str, clip: Clip) -> None:
    name = key + clip.path.suffix.lower()
    with local(clip.path) as path:
        entry = tarfile.TarInfo(name)
        entry.size = path.stat().st_size
        with path.open("rb") as file:
            archive.addfile(entry, file)
    texts = {".txt": clip.texts[0] if clip.captions else ""}
    texts[".json"] = json.dumps(line(replace(clip, source=name)), ensure_ascii=False)
    for ending, text in texts.items():
        data = text.encode()
        entry = tarfile.TarInfo(key + ending)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
