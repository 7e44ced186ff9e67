"""Which clips a step looks at: drawn at random, or batch by batch out of buckets."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from kineograph.data.assignment import Plan, assign, lines
from kineograph.data.batches import BucketBatches, Filled
from kineograph.data.buckets import Bucket
from kineograph.errors import DataError
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.stages import Stage, Windows
from kineograph.training.samples import Cut, Samples, Taken


class Source(Protocol):
    """Gives a stage's batches; goes on where it was stopped."""

    def take(self, choose: random.Random) -> Taken:
        """The next clips; `choose` belongs to this process, step and batch alone."""

    def state_dict(self) -> dict[str, Any]:
        """Where it stands, as plain data; equal on all processes."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""


class Anyhow:
    """Clips of one cache, each as likely, again and again."""

    def __init__(self, samples: Samples, stage: Stage) -> None:
        self.samples, self.stage = samples, stage
        self.groups = samples.chosen(stage.subset)

    def take(self, choose: random.Random) -> Taken:
        """A first clip of all, the others from its cache."""
        count = self.stage.schedule.batch
        first = choose.randrange(sum(map(len, self.groups)))
        for group in self.groups:
            if first < len(group):
                break
            first -= len(group)
        rows = [group[first], *(group[choose.randrange(len(group))] for _ in range(count - 1))]
        frames = _frames(self.stage, choose)
        spare = self.samples.caches[self.samples.place(rows[0])[0]].latent_frames - frames
        return self.samples.take(rows, frames, cuts(self.stage.windows, count, spare, choose))

    def state_dict(self) -> dict[str, Any]:
        """Nothing: every choice comes from the step's own seed."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to go back to."""


class Bucketed:
    """Batches of clips of one shape, as a plan says; every clip comes round.

    Args:
        samples: the clips; each can be cut shorter, but not scaled.
        stage: its subset.
        plan: its buckets.
        seed: of the order.
        place: this process among those that train side by side.
        say: takes the table of the buckets.

    Raises:
        DataError: a bucket has another size than the clips that belong into it.
    """

    def __init__(
        self,
        samples: Samples,
        stage: Stage,
        plan: Plan,
        seed: int,
        place: Replicas,
        say: Callable[[str], None],
    ) -> None:
        self.samples, self.stage, self.plan, self.seed = samples, stage, plan, seed
        self.rows = [row for group in samples.chosen(stage.subset) for row in group]
        self.sizes = [samples.size(row) for row in self.rows]
        self.stream = BucketBatches(self._assign, seed=seed, rank=place.rank, ranks=place.count)
        for line in lines(assign(plan, self.sizes, seed=seed)):
            say(line)
        self._assign(0)

    def take(self, choose: random.Random) -> Taken:
        """The next batch of this process."""
        batch = next(self.stream)
        cache = self.samples.caches[self.samples.place(batch.rows[0])[0]]
        frames = min(cache.covering(batch.bucket.frames), _frames(self.stage, choose))
        return self.samples.take(batch.rows, frames)

    def state_dict(self) -> dict[str, Any]:
        """Epoch, position, and what waits."""
        return self.stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.stream.load_state_dict(state)

    def _assign(self, epoch: int) -> Filled:
        """The dataset's rows by bucket; each must have its size already."""
        found = assign(self.plan, self.sizes, seed=self.seed, epoch=epoch).filled
        filled: dict[Bucket, Sequence[int]] = {}
        for bucket, indices in found.items():
            rows = [self.rows[index] for index in indices]
            self._check(bucket, rows)
            filled[bucket] = rows
        return filled

    def _check(self, bucket: Bucket, rows: Sequence[int]) -> None:
        numbers = sorted({self.samples.place(row)[0] for row in rows})
        for number in numbers:
            cache = self.samples.caches[number]
            if (cache.height, cache.width) != (bucket.height, bucket.width):
                raise DataError(
                    f"bucket {bucket.shape}: expected cached clips of {bucket.height} x "
                    f"{bucket.width} pixels, cache {number + 1} has {cache.height} x "
                    f"{cache.width}; make one of that size with `kineograph cache`"
                )
        if len({self.samples.caches[number].covering(bucket.frames) for number in numbers}) > 1:
            raise DataError(
                f"bucket {bucket.shape}: its clips come from caches that code time differently"
            )


def cuts(windows: Windows | None, count: int, spare: int, choose: random.Random) -> tuple[Cut, ...]:
    """Where so many clips are cut, which are `spare` latent frames too long; none: at 0."""
    if windows is None or spare <= 0:
        return ()
    return tuple(
        Cut(choose.randint(1, spare), choose.randint(1, windows.known))
        if choose.random() < windows.share
        else Cut()
        for _ in range(count)
    )


def _frames(stage: Stage, choose: random.Random) -> int:
    """The most latent frames of a step; a stage without pictures draws nothing."""
    if stage.images and choose.random() < stage.images:
        return 1
    return stage.latent_frames or 1_000_000
