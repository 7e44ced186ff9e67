"""One run to a folder: two that write there at the same time would spoil each other's states."""

import errno
import time
from pathlib import Path

from kineograph.errors import ConfigError, DataError

NAME = ".lock"
PATIENCE = 20.0  # seconds; the processes of a run that was killed need a moment to end


class Lock:
    """Holds a run's folder for this process until it is closed, or the process ends anyhow.

    Where the system knows no such locks, nothing is held.

    Raises:
        ConfigError: another process holds it.
        DataError: the place cannot be written to.
    """

    def __init__(self, folder: Path, patience: float = PATIENCE) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / NAME).open("a")
        except OSError as error:
            raise DataError(f"{folder}: cannot be written: {error.strerror}") from error
        end = time.monotonic() + patience
        while not self._taken():
            if time.monotonic() > end:
                self.close()
                raise ConfigError(
                    f"{folder}: another process trains there; expected a folder for each run, or "
                    "wait until that one has ended"
                )
            time.sleep(0.2)

    def close(self) -> None:
        """Let go of it."""
        self._file.close()

    def _taken(self) -> bool:
        try:
            import fcntl
        except ImportError:  # Windows
            return True
        try:
            # Of the whole process, so that one that asks twice does not wait for itself.
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Others say that the file system knows no locks.
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        return True
