"""Many videos: names and seeds of their own, batches of what goes together, a ledger that lasts."""

from dataclasses import replace
from pathlib import Path

import pytest

from kineograph.errors import DataError
from kineograph.generation.orders import Entry, Ledger, Order, batches, numbered, orders
from kineograph.generation.wishes import Wish

A, B = Wish(prompt="a"), Wish(prompt="b", seed=7, out=Path("x/b.mp4"))
OUT = Path("v/out.mp4")


def test_rows_have_names_and_seeds_of_their_own_whatever_stands_beside_them():
    found = [(str(order.out), order.seed) for order in orders([A, B, A], OUT, 1, 3)]
    assert found == [("v/out-0.mp4", 3), ("v/x/b.mp4", 7), ("v/out-2.mp4", 5)]
    twice = [(str(order.out), order.seed) for order in orders([B], OUT, 2, 0)]
    assert twice == [("v/x/b-0.mp4", 7), ("v/x/b-1.mp4", 8)]


def test_two_videos_never_go_to_one_file():
    with pytest.raises(DataError, match=r"b\.mp4: named for several videos"):
        orders([B, replace(B, prompt="c")], OUT, 1, 0)


def test_only_what_differs_in_prompt_and_seed_goes_together():
    wishes = [A, replace(A, prompt="c"), replace(A, frames=9), A, A]
    sizes = [len(group) for group in batches(orders(wishes, OUT, 1, 0), 2)]
    assert sizes == [2, 1, 2]


def test_numbers_are_written_plainly():
    assert numbered(Path("a/b.mp4"), 1) == [Path("a/b.mp4")]
    assert [path.name for path in numbered(Path("b.mp4"), 11)][::10] == ["b-00.mp4", "b-10.mp4"]


def entry(order: Order, error: str = "") -> Entry:
    key = order.key("weights")
    return Entry(out=str(order.out), key=key, prompt="a", seed=0, seconds=1.0, error=error)


def test_a_ledger_knows_what_lies_there_and_was_made_from_the_same(tmp_path):
    image = tmp_path / "i.png"
    image.write_bytes(b"1")
    order = Order(replace(A, image=image), 0, tmp_path / "a.mp4")
    Ledger(tmp_path / "l.jsonl").write(entry(order))
    ledger = Ledger(tmp_path / "l.jsonl")
    key = order.key("weights")
    assert not ledger.done(order, key)  # there is no file
    order.out.write_bytes(b"video")
    assert ledger.done(order, key)
    assert not ledger.done(order, order.key("other weights"))
    assert not ledger.done(order, replace(order, seed=1).key("weights"))
    image.write_bytes(b"2")
    assert order.key("weights") != key


def test_what_failed_and_what_was_cut_off_is_made_again(tmp_path):
    order = Order(A, 0, tmp_path / "a.mp4")
    order.out.write_bytes(b"video")
    path = tmp_path / "l.jsonl"
    Ledger(path).write(entry(order, "no such picture"))
    assert not Ledger(path).done(order, order.key("weights"))
    with path.open("a") as file:
        file.write('{"out": "a.mp')  # a run that was killed
    Ledger(path).write(entry(order))
    assert Ledger(path).done(order, order.key("weights"))
