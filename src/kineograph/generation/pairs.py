"""Two numbers in a text, such as a size."""

from kineograph.errors import ConfigError


def pair(text: str, mark: str, example: str) -> tuple[int, int]:
    """Two whole numbers above 0, written with a mark between them.

    Raises:
        ConfigError: it is something else.
    """
    left, found, right = text.lower().partition(mark)
    if not (found and left.isdecimal() and right.isdecimal() and int(left) and int(right)):
        raise ConfigError(f"{text!r}: expected two numbers, e.g. {example}")
    return int(left), int(right)
