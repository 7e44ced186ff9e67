"""What a video was made from: pictures and videos, known by their content."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from kineograph.errors import ConfigError, MediaError

DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class Source:
    """A picture or a video that was given.

    role: what it was given as: image, last_image, video, signal, or `at N` for a key frame.
    file: its name then; empty: it never was a file. digest: of the file's content, or of the
    pixels where there is no file.
    """

    role: str
    digest: str
    file: str = ""


def of_file(role: str, path: Path) -> Source:
    """A file as a source.

    Raises:
        MediaError: the file cannot be read.
    """
    return Source(role=role, digest=digest(path), file=str(path))


def of_pixels(role: str, pixels: Tensor) -> Source:
    """Pixels that never were a file, uint8."""
    content = hashlib.sha256(pixels.cpu().contiguous().numpy().tobytes())
    return Source(role=role, digest=content.hexdigest()[:DIGITS])


def digest(path: Path) -> str:
    """A short name of a file's content.

    Raises:
        MediaError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror})") from error


def find(source: Source, offered: Sequence[Path]) -> Path:
    """The file that a source was: one that is offered, or the one it was read from.

    Raises:
        ConfigError: none of them has its content; the message says which content is needed.
    """
    for path in offered:
        if digest(path) == source.digest:
            return path
    if not source.file:
        raise ConfigError(
            f"{source.role}: was given as pixels with digest {source.digest}, not as a file; "
            "expected a file with this digest"
        )
    path = Path(source.file)
    if not path.is_file():
        raise ConfigError(
            f"{source.role}: {path} is gone; expected a file whose SHA-256 begins with "
            f"{source.digest}; name it with --input"
        )
    found = digest(path)
    if found != source.digest:
        raise ConfigError(
            f"{source.role}: {path} has changed: its SHA-256 begins with {found}, expected "
            f"{source.digest}; name the right file with --input"
        )
    return path
