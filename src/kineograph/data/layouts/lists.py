"""`videos.txt` and `prompts.txt`, line for line, as CogVideoX's and finetrainers' data have it."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from kineograph.data.clip import Caption, Clip
from kineograph.data.layouts.files import first_of
from kineograph.data.layouts.lines import Found, plain_lines
from kineograph.data.layouts.rows import Problem
from kineograph.errors import DataError

VIDEOS = ("videos.txt", "video.txt")
PROMPTS = ("prompts.txt", "prompt.txt", "captions.txt", "caption.txt")


def looks(path: Path) -> bool:
    """A folder with both files, or the list of videos beside the prompts."""
    folder = path.parent if path.is_file() else path
    if path.is_file() and path.name not in VIDEOS:
        return False
    return first_of(folder, VIDEOS) is not None and first_of(folder, PROMPTS) is not None


def read(path: Path) -> Iterator[Found]:
    """One clip for each pair of lines; a line without its partner is a problem."""
    folder = path.parent if path.is_file() else path
    videos, prompts = first_of(folder, VIDEOS), first_of(folder, PROMPTS)
    if videos is None or prompts is None:
        raise DataError(f"{folder}: expected {VIDEOS[0]} and {PROMPTS[0]} there")
    pairs = zip_longest(_ended(plain_lines(videos)), _ended(plain_lines(prompts)))
    for number, (video, prompt) in enumerate(pairs, 1):
        where = f"{videos.name}, line {number}"
        if isinstance(video, Problem):
            yield video
        elif isinstance(prompt, Problem):
            yield prompt
        elif not video:
            if prompt or video is None:
                yield Problem(where, "is empty, but there is a prompt", "write a path there")
            else:
                yield Problem(where, "is empty", "delete the line in both files")
        elif not prompt:
            yield Problem(f"{prompts.name}, line {number}", "is empty", "write a prompt there")
        else:
            try:
                captions = (Caption(text=prompt, origin=prompts.name),)
                yield Clip(source=str(folder / video), captions=captions)
            except DataError as error:
                yield Problem(where, str(error), "write the path of a video file")


def _ended(lines: list[str | Problem]) -> list[str | Problem]:
    """Without the empty lines at the end of a file."""
    while lines and lines[-1] == "":
        lines = lines[:-1]
    return lines
