"""Copies of clips' files, for layouts that hold videos."""

import shutil
from pathlib import Path

from kineograph.data.clip import Clip
from kineograph.data.layouts.files import written
from kineograph.data.media import local
from kineograph.errors import DataError


class Copies:
    """Copies the file of each clip into a folder; one that serves several clips, once.

    Args:
        root: names are relative to it.
        inside: the folder below it that the files go to; empty: the root itself.
    """

    def __init__(self, root: Path, inside: str = "videos") -> None:
        self.root, self.inside = root, inside
        self.names: dict[str, str] = {}

    def __call__(self, clip: Clip) -> str:
        """The name of the copy.

        Raises:
            DataError: the file is missing, or the copy cannot be written.
        """
        if clip.source not in self.names:
            name = f"{len(self.names):06d}{clip.path.suffix.lower()}"
            self.names[clip.source] = self.to(clip, f"{self.inside}/{name}".removeprefix("/"))
        return self.names[clip.source]

    def to(self, clip: Clip, name: str) -> str:
        """Copy the file of a clip under a name of its own.

        Raises:
            DataError: as above.
        """
        with written(self.root / name) as copy, local(clip.path) as source:
            shutil.copyfile(source, copy)
        return name


def whole(clip: Clip, layout: str) -> Clip:
    """The clip, where it is a whole file.

    Raises:
        DataError: it is a part of one, which the layout cannot say.
    """
    if clip.span is not None:
        raise DataError(
            f"{clip.source}: is a part of its file, which {layout} cannot say; expected whole "
            "files; nearest: --to metadata, open-sora-plan or cosmos-curate"
        )
    return clip
