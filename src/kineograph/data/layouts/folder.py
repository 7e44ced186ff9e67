"""Folders of videos: alone, with a `.txt` of the same name beside each, or in folders by label.

`video_folder` is what Hugging Face's VideoFolder reads: splits (`train`, `test`) that hold
a `metadata` file each, or folders that are named after what their videos show.
"""

from collections.abc import Iterator
from pathlib import Path

from kineograph.data.clip import Caption, Clip
from kineograph.data.layouts import metadata
from kineograph.data.layouts.files import first_of, has_videos, is_video, videos
from kineograph.data.layouts.lines import Found
from kineograph.data.layouts.rows import Problem
from kineograph.errors import DataError

SPLITS = ("train", "validation", "valid", "val", "dev", "test")
ENDINGS = (".txt", ".caption")


def looks_plain(path: Path) -> bool:
    """A video file, or a folder in which all that there is are videos."""
    if path.is_file():
        return is_video(path)
    return _has_own_videos(path) and not looks_sidecar(path)


def looks_sidecar(path: Path) -> bool:
    """A folder in which some video has a text beside it."""
    return _is_free(path) and any(_beside(video) for video in videos(path))


def looks_labelled(path: Path) -> bool:
    """Splits with metadata, or videos that all lie in folders of one level, without texts."""
    if _split_lists(path):
        return True
    if not _is_free(path) or _has_own_videos(path) or looks_sidecar(path):
        return False
    return has_videos(path)


def read_plain(path: Path) -> Iterator[Found]:
    """All videos, without captions; a file stands for itself."""
    for video in _files(path):
        yield _clip(video, ())


def read_sidecar(path: Path) -> Iterator[Found]:
    """All videos with the text beside each; one without text is kept, and has no caption."""
    for video in videos(path):
        beside = _beside(video)
        if beside is None:
            yield _clip(video, ())
            continue
        where = beside.relative_to(path).as_posix()
        try:
            text = " ".join(beside.read_bytes().decode("utf-8-sig").split())
        except (OSError, ValueError) as error:
            yield Problem(where, f"cannot be read: {error}", "write a caption there, in UTF-8")
            continue
        if not text:
            yield Problem(where, "is empty", "write a caption there, or delete the file")
            continue
        yield _clip(video, (Caption(text=text, origin=beside.suffix),))


def read_labelled(path: Path) -> Iterator[Found]:
    """All videos of all splits; a label is a caption with the origin `label`."""
    lists = _split_lists(path)
    if lists:
        for listed in lists:
            yield from metadata.read(listed)
        return
    for video in videos(path):
        folders = video.relative_to(path).parts[:-1]
        if folders and folders[0] in SPLITS:
            folders = folders[1:]
        label = folders[-1].replace("_", " ") if folders else ""
        yield _clip(video, (Caption(text=label, origin="label"),) if label else ())


def _clip(video: Path, captions: tuple[Caption, ...]) -> Found:
    try:
        return Clip(source=str(video), captions=captions)
    except DataError as error:
        return Problem(ascii(video.name), str(error), "give the file another name")


def _files(path: Path) -> Iterator[Path]:
    return videos(path) if path.is_dir() else iter([path])


def _beside(video: Path) -> Path | None:
    texts = (video.with_suffix(ending) for ending in ENDINGS)
    return next((text for text in texts if text.is_file()), None)


def _split_lists(path: Path) -> list[Path]:
    found = (first_of(path / split, metadata.NAMES) for split in SPLITS if path.is_dir())
    return [listed for listed in found if listed is not None]


def _is_free(path: Path) -> bool:
    """Whether it is a folder without lists of videos in its splits."""
    return path.is_dir() and not _split_lists(path)


def _has_own_videos(path: Path) -> bool:
    return _is_free(path) and any(video.parent == path for video in videos(path))
