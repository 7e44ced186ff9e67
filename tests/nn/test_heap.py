"""Freed memory goes back while that is asked for, and no longer."""

import pytest

from kineograph.nn import heap


class Library:
    """Remembers what it was told."""

    def __init__(self):
        self.told = []

    def mallopt(self, name, value):
        self.told.append((name, value))
        return 1


def test_thresholds_are_set_and_put_back_also_after_an_error(monkeypatch):
    library = Library()
    monkeypatch.setattr(heap, "_glibc", lambda: library)
    with pytest.raises(ValueError), heap.given_back():
        assert dict(library.told)[heap.MMAP_THRESHOLD] == heap.LEAST
        raise ValueError
    assert dict(library.told)[heap.MMAP_THRESHOLD] == heap.USUAL


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(heap, "_glibc", lambda: None)
    with heap.given_back():
        pass
