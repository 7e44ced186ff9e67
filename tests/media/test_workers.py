"""A worker that hangs or dies takes only its own item; the others keep their order."""

import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kineograph.errors import MediaError
from kineograph.media import workers
from kineograph.media.probe import probe
from kineograph.media.workers import Limits, each

# The job is `eval`, so that an item can be any accident.
HANG = "__import__('time').sleep(60)"
EXIT = "__import__('os')._exit(7)"
CRASH = f"__import__('os').kill(__import__('os').getpid(), {int(signal.SIGSEGV)})"
GREEDY = "len(bytearray(2**30))"
FAIL = "1 // 0"
LIMITS = Limits(seconds=0.5, memory=2**28)


def test_an_item_that_hangs_or_kills_its_worker_takes_only_itself() -> None:
    begun = time.monotonic()
    items = ["1 + 1", HANG, "2 + 2", EXIT, CRASH, GREEDY, FAIL, "3 + 3"]
    found = list(each(eval, items, LIMITS))
    assert [one.index for one in found] == list(range(8))
    assert [one.value for one in found] == [2, None, 4, None, None, None, None, 6]
    assert [one.failure for one in found if one.failure] == [
        "took more than 0.5 seconds and was stopped",
        "the process that read it died (exit code 7)",
        "the process that read it died (signal 11)",
        "needs more than 0.2 GiB of memory",
        "ZeroDivisionError: integer division or modulo by zero",
    ]
    assert time.monotonic() - begun < 30


def test_an_error_for_the_user_keeps_its_words() -> None:
    [found] = each(probe, ["no such.mp4"], LIMITS)
    assert found.failure == "no such.mp4: there is no such file"


def test_items_are_taken_only_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[str]:
        for number in range(10_000):
            taken.append(number)
            yield str(number)

    outcomes = each(eval, items(), LIMITS)
    assert [next(outcomes).value for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 3 + (workers._AHEAD + 1) * LIMITS.workers
    outcomes.close()


def test_a_slow_item_holds_back_what_may_be_done_before_it() -> None:
    found = each(eval, [HANG, *map(str, range(100))], replace(LIMITS, seconds=0.2))
    assert next(found).failure and [one.value for one in found] == list(range(100))


def test_a_worker_is_replaced_after_so_many_items() -> None:
    pid = "__import__('os').getpid()"
    found = [one.value for one in each(eval, [pid] * 5, replace(LIMITS, workers=1, items=2))]
    assert len(set(found)) == 3 and found[0] == found[1] and found[2] == found[3]


def test_no_items_start_no_worker() -> None:
    assert list(each(eval, [], LIMITS)) == []


@pytest.mark.parametrize("wrong", [{"seconds": 0.0}, {"workers": 0}, {"items": 0}, {"memory": 5}])
def test_limits_that_allow_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(MediaError, match="expected more than 0 seconds"):
        replace(LIMITS, **wrong)  # type: ignore[arg-type]
