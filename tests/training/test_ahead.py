"""Work that other processes do ahead is the same work, in the same order."""

from functools import partial

import pytest

from kineograph.errors import ConfigError
from kineograph.toybox.world import sample_scene
from kineograph.training.ahead import ahead


def test_without_workers_nothing_is_done_before_it_is_asked_for() -> None:
    done: list[int] = []
    results = ahead(done.append, range(3), 0)
    assert done == []
    next(results)
    assert done == [0]


def test_workers_keep_the_order_and_give_errors_back_as_they_are() -> None:
    found = list(ahead(partial(sample_scene, 1), range(40, 45), 2))
    assert found == [sample_scene(1, seed) for seed in range(40, 45)]
    with pytest.raises(ConfigError, match=r"^level: 9; expected one of 1, 2, 3$"):
        next(ahead(partial(sample_scene, 9), range(2), 1))
