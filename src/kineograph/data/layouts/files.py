"""Which files of a folder are videos, in an order that does not depend on the machine."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

from kineograph.errors import DataError, MediaError

Thing = TypeVar("Thing")

SUFFIXES = frozenset(
    [
        ".avi",
        ".flv",
        ".gif",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mxf",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
        ".y4m",
    ]
)
"""Endings of videos; what is really inside is known only when it is opened."""


def is_video(path: str | Path) -> bool:
    """Whether a name ends like a video's and is not hidden, as copies by a system are."""
    name = os.fspath(path).rsplit("/", 1)[-1]
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("._")


def videos(folder: Path) -> Iterator[Path]:
    """Everything in a folder, at any depth, whose name ends like a video's.

    A link to a folder is not followed. A folder with such a name is given, too: whoever opens
    it says what it is.
    """
    for here, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted([*names, *(one for one in folders if is_video(one))]):
            if is_video(name):
                yield Path(here, name)


def has_videos(folder: Path) -> bool:
    """Whether there is any."""
    return next(videos(folder), None) is not None


def first_of(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of some files that lies in a folder; a file stands for itself."""
    if folder.is_file():
        return folder if folder.name in names else None
    return next((folder / name for name in names if (folder / name).is_file()), None)


def groups(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    """The things, `size` at a time; the last group may be smaller."""
    rest = iter(things)
    while group := list(islice(rest, size)):
        yield group


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A name to write to; it becomes `path` when all went well, and vanishes when not.

    Raises:
        DataError: nothing can be written there, or what is to be copied cannot be read.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except (OSError, MediaError) as error:
        raise DataError(f"{path}: cannot be written: {error}") from None
    finally:
        with suppress(OSError):
            part.unlink()
