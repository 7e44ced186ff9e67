"""A video that is tried gives its facts, or one line that says why it cannot be read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kineograph.errors import MediaError
from kineograph.media.probe import probe
from kineograph.media.trial import Trial, tried
from kineograph.media.workers import Limits

LIMITS = Limits(seconds=30.0, workers=1)


def test_the_facts_are_those_of_a_probe(make: Callable[..., Path]) -> None:
    path = make("a.mp4", count=6)
    assert tried(path, Trial(), LIMITS) == probe(path, count=True)
    assert tried(path, Trial(fps=5, most=2), LIMITS) == probe(path)


def test_what_cannot_be_read_is_named_once(make: Callable[..., Path]) -> None:
    path = make("a.mp4", count=6)
    path.write_bytes(b"rubbish")
    with pytest.raises(MediaError) as error:
        tried(path, Trial(), LIMITS)
    assert str(error.value).count(str(path)) == 1
    with pytest.raises(MediaError, match=r"a\.mp4: took more than 0\.0001 seconds"):
        tried(make("a.mp4", count=200), Trial(), Limits(seconds=1e-4))
