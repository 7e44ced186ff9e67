"""The file behind a clip's source, also where it is a member of a tar file, and its digest."""

import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kineograph.errors import MediaError

_PIECE = 2**20


@contextmanager
def local(source: Path) -> Iterator[Path]:
    """A path under which the file of a source can be opened.

    `shard.tar/name.mp4` is copied out of its tar file for as long as it is needed. Only plain
    members are read; the names in a tar file are never used as paths.

    Raises:
        MediaError: no such file, no such member, or a tar file that is damaged.
    """
    tar = _tar_of(source)
    if tar is None:
        yield source
        return
    member = source.relative_to(tar).as_posix()
    with tempfile.TemporaryDirectory(prefix="kineograph-") as folder:
        copy = Path(folder, "clip" + source.suffix)
        try:
            with tarfile.open(tar, "r:") as archive, copy.open("wb") as file:
                entry = archive.getmember(member)
                inside = archive.extractfile(entry) if entry.isreg() else None
                if inside is None:
                    raise MediaError(f"{source}: is no plain file in the tar file")
                shutil.copyfileobj(inside, file, _PIECE)
        except KeyError:
            raise MediaError(f"{source}: there is no such member in {tar.name}") from None
        except (OSError, tarfile.TarError) as error:
            raise MediaError(f"{source}: cannot be read from {tar.name} ({error})") from None
        yield copy


def digest(path: Path) -> str:
    """A short name of a file's exact bytes.

    Raises:
        MediaError: it cannot be read.
    """
    whole = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                whole.update(piece)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror})") from None
    return whole.hexdigest()[:32]


def _tar_of(source: Path) -> Path | None:
    """The tar file that a source lies in; None where it is a file of its own."""
    for above in source.parents:
        if above.suffix == ".tar" and above.is_file():
            return above
    return None
