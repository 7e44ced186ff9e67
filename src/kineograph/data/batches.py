"""Batches out of buckets: deterministic, the same on every process, resumed where they stopped.

An epoch assigns every row to a bucket, shuffles each bucket, cuts it into batches, and
shuffles the batches of all buckets, pictures and clips alike. The processes take one
batch each in turn (Open-Sora 1.2, 2412.20404, 4.1).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from kineograph.data.buckets import Bucket
from kineograph.data.grouped import permuted
from kineograph.errors import DataError

PATIENCE = 100  # epochs without a batch: clips that are kept by chance may need several

Filled = Mapping[Bucket, Sequence[int]]
"""Rows of a dataset by bucket."""


@dataclass(frozen=True)
class Batch:
    """Rows that are looked at together; all are brought to the bucket's shape."""

    bucket: Bucket
    rows: tuple[int, ...]


class Rest(Protocol):
    """What becomes of rows that do not fill a batch."""

    def even(self, rows: Sequence[int], batch: int) -> tuple[list[int], list[int]]:
        """Rows that fill whole batches, and rows that wait for the next epoch."""


@dataclass(frozen=True)
class Kept:
    """They come first in the next epoch: nothing is lost, nothing is seen twice."""

    def even(self, rows: Sequence[int], batch: int) -> tuple[list[int], list[int]]:
        """See `Rest`."""
        whole = len(rows) // batch * batch
        return list(rows[:whole]), list(rows[whole:])


@dataclass(frozen=True)
class Dropped:
    """They are left out of this epoch (Open-Sora 2.0)."""

    def even(self, rows: Sequence[int], batch: int) -> tuple[list[int], list[int]]:
        """See `Rest`."""
        return list(rows[: len(rows) // batch * batch]), []


@dataclass(frozen=True)
class Repeated:
    """The batch is filled up with rows of the same bucket (Open-Sora 1.2)."""

    def even(self, rows: Sequence[int], batch: int) -> tuple[list[int], list[int]]:
        """See `Rest`."""
        missing = -len(rows) % batch
        return [*rows, *(rows[index % len(rows)] for index in range(missing))], []


class BucketBatches(Iterator[Batch]):
    """An endless stream of batches, one process's share of it.

    Args:
        assign: epoch -> the rows of each bucket; the same on every process.
        seed: of the order.
        rest: what becomes of rows that do not fill a batch.
        rank, ranks: this process and how many there are. Batches that do not go round are
            kept for the next epoch where rows are kept, otherwise left out.
    """

    def __init__(
        self,
        assign: Callable[[int], Filled],
        *,
        seed: int = 0,
        rest: Rest | None = None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if not 0 <= rank < ranks:
            raise DataError(f"process {rank} of {ranks}: expected 0 to {ranks - 1}")
        self.assign, self.seed, self.rest = assign, seed, rest or Kept()
        self.rank, self.ranks = rank, ranks
        self.epoch, self.position = 0, 0  # position: batches of all processes in this epoch
        self.waiting: dict[Bucket, list[int]] = {}  # rows left over by the epoch before
        self._plan: list[Batch] | None = None
        self._left: dict[Bucket, list[int]] = {}

    def __next__(self) -> Batch:
        """The next batch of this process.

        Raises:
            DataError: no bucket has enough rows for one batch per process.
        """
        empty = 0
        while self.position + self.ranks > len(self.plan):
            before = sum(len(rows) for rows in self.waiting.values())
            self._end()
            grown = sum(len(rows) for rows in self.waiting.values()) > before
            empty = 0 if grown else empty + 1
            if empty > PATIENCE:
                raise DataError(self._nothing())
        batch = self.plan[self.position + self.rank]
        self.position += self.ranks
        return batch

    @property
    def plan(self) -> list[Batch]:
        """The batches of all processes in this epoch."""
        if self._plan is None:
            self._begin()
        assert self._plan is not None
        return self._plan

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, as plain data; equal on all processes.

        A run may go on with another number of processes: positions count the batches of all.
        """
        waiting = [
            [b.size, b.frames, b.label, b.height, b.width, b.batch, rows]
            for b, rows in self.waiting.items()
        ]
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "position": self.position,
            "waiting": waiting,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`; the epoch is planned again from its seed.

        Raises:
            DataError: the state belongs to an order with another seed.
        """
        if state["seed"] != self.seed:
            raise DataError(f"order of seed {self.seed}: the state is of seed {state['seed']}")
        self.epoch, self.position = int(state["epoch"]), int(state["position"])
        self.waiting = {Bucket(*entry[:6]): list(entry[6]) for entry in state["waiting"]}
        self._plan = None

    def _begin(self) -> None:
        """Plan this epoch from its number, the seed, and what was left over."""
        order = torch.Generator().manual_seed(self.seed + self.epoch)
        filled = self.assign(self.epoch)
        batches: list[Batch] = []
        self._left = {}
        for bucket in _sorted({**filled, **self.waiting}):
            rows = _shuffled(filled.get(bucket, ()), order)
            rows = [*self.waiting.get(bucket, ()), *rows]
            if not rows or not bucket.batch:
                continue
            rows, left = self.rest.even(rows, bucket.batch)
            if left:
                self._left[bucket] = left
            for first in range(0, len(rows), bucket.batch):
                batches.append(Batch(bucket, tuple(rows[first : first + bucket.batch])))
        self._plan = [batches[index] for index in permuted(len(batches), order)]

    def _end(self) -> None:
        """Go to the next epoch; keep what this one could not use, if rows are kept."""
        left = {bucket: list(rows) for bucket, rows in self._left.items()}
        for batch in self.plan[self.position :]:
            _, kept = self.rest.even(batch.rows, len(batch.rows) + 1)
            if kept:
                left.setdefault(batch.bucket, []).extend(kept)
        self.waiting, self.epoch, self.position, self._plan = left, self.epoch + 1, 0, None

    def _nothing(self) -> str:
        rows = sum(len(rows) for rows in self.assign(self.epoch).values())
        return (
            f"{rows} rows in buckets make no batch for each of {self.ranks} processes; expected "
            "more rows, smaller batches, or fewer processes"
        )


def _sorted(buckets: Iterable[Bucket]) -> list[Bucket]:
    """An order that does not depend on which row came first."""
    return sorted(buckets, key=lambda b: (b.frames, b.size, b.height, b.width, b.label, b.batch))


def _shuffled(rows: Sequence[int], generator: torch.Generator) -> list[int]:
    return [rows[index] for index in permuted(len(rows), generator)]
