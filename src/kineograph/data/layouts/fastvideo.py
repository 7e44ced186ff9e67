"""FastVideo: `videos2caption.json`, a list of path, cap, resolution, fps, beside `videos/`."""

from collections.abc import Iterator
from pathlib import Path

from kineograph.data.layouts.files import first_of
from kineograph.data.layouts.lines import Found, clips, json_list
from kineograph.data.layouts.rows import Columns

NAMES = ("videos2caption.json",)
COLUMNS = Columns(source=("path",), captions=("cap",))


def looks(path: Path) -> bool:
    """The list, or a folder with it."""
    return first_of(path, NAMES) is not None


def read(path: Path) -> Iterator[Found]:
    """The clips of the list; paths begin in `videos/` where there is such a folder."""
    listed = path if path.is_file() else path / NAMES[0]
    videos = listed.parent / "videos"
    root = videos if videos.is_dir() else listed.parent
    return clips(json_list(listed), COLUMNS, root)
