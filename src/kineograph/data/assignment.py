"""Which bucket every clip of a dataset goes to, and why others go nowhere; as a table to print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kineograph.data.buckets import Bucket, ClipSize


class Plan(Protocol):
    """What brings clips to shapes: a table of buckets, min-max tokens, or equal tokens."""

    def find(self, clip: ClipSize, seed: int) -> Bucket | None:
        """Where a clip goes; None: nowhere."""

    def reason(self, clip: ClipSize) -> str:
        """Why a clip goes nowhere."""

    def row_seed(self, row: int, *, seed: int, epoch: int) -> int:
        """The seed of the draws of a dataset's row in an epoch."""


@dataclass(frozen=True)
class Assignment:
    """Rows of a dataset by bucket, and those in no bucket by reason."""

    filled: Mapping[Bucket, Sequence[int]]
    left_out: Mapping[str, Sequence[int]]


def assign(plan: Plan, clips: Sequence[ClipSize], *, seed: int = 0, epoch: int = 0) -> Assignment:
    """Assign every clip; row i draws from `plan.row_seed(i, ...)`.

    Args:
        plan: what knows the buckets.
        clips: the sizes of the dataset's rows, in order.
        seed: of the order that the buckets are for.
        epoch: clips that are kept by chance may differ from epoch to epoch.
    """
    filled: dict[Bucket, list[int]] = {}
    left_out: dict[str, list[int]] = {}
    for row, clip in enumerate(clips):
        bucket = plan.find(clip, plan.row_seed(row, seed=seed, epoch=epoch))
        if bucket is not None:
            filled.setdefault(bucket, []).append(row)
        else:
            left_out.setdefault(plan.reason(clip), []).append(row)
    return Assignment(filled, left_out)


def lines(assignment: Assignment) -> list[str]:
    """The table of an assignment: a line per bucket with clips, then what was left out.

    `batches` counts whole ones; `over` are the clips that do not fill one.
    """
    head = ("frames x height x width", "size", "shape", "batch", "clips", "batches", "over")
    rows: list[tuple[str, ...]] = [head]
    order = sorted(
        assignment.filled, key=lambda b: (b.frames, b.height * b.width, b.height / b.width)
    )
    for bucket in order:
        clips = len(assignment.filled[bucket])
        whole, over = divmod(clips, bucket.batch) if bucket.batch else (0, clips)
        shape = f"{bucket.frames} x {bucket.height} x {bucket.width}"
        numbers = (bucket.batch, clips, whole, over)
        rows.append((shape, bucket.size, bucket.label, *(str(number) for number in numbers)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    shown = [
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    inside = sum(len(one) for one in assignment.filled.values())
    total = inside + sum(len(one) for one in assignment.left_out.values())
    shown.append(f"{inside} of {total} clips in {len(assignment.filled)} buckets")
    shown += [f"left out: {len(rows)} {why}" for why, rows in sorted(assignment.left_out.items())]
    return shown
