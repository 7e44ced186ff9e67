"""What can go wrong, for the person at the keyboard.

Every message names the value, what was expected, and the nearest valid choice.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class KineographError(Exception):
    """Something a user can mend; the command prints it without a traceback."""


class ConfigError(KineographError):
    """A recipe, a setting or a combination of parts that cannot work."""


class CheckpointError(KineographError):
    """Weights that do not fit, are damaged, or are missing."""


class MediaError(KineographError):
    """A file that is no video or picture, or one that cannot be written."""


class DataError(KineographError):
    """A dataset, a scene or a cache that is incomplete or inconsistent."""


class NumericsError(KineographError):
    """A value that is not finite; the message names stage and step."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as `; did you mean 'steps'?`, or the list of what there is.

    Args:
        name: what was asked for.
        known: the valid names.

    Returns:
        Text to append to an error message; empty when nothing is known.
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    if not names:
        return ""
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"; there is: {shown}"
