"""Which bucket every clip of a dataset goes to, and why others go nowhere; as a table to print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kineograph.data.buckets import Bucket, BucketTable, ClipSize

SMALL, SHORT, CHANCE = "too small", "too short", "not kept by chance"


@dataclass(frozen=True)
class Assignment:
    """Rows of a dataset by bucket, and those in no bucket by reason."""

    filled: Mapping[Bucket, Sequence[int]]
    left_out: Mapping[str, Sequence[int]]


def assign(
    table: BucketTable, clips: Sequence[ClipSize], *, seed: int = 0, epoch: int = 0
) -> Assignment:
    """Assign every clip; row i draws from `table.row_seed(i, ...)`.

    Args:
        table: the buckets.
        clips: the sizes of the dataset's rows, in order.
        seed: of the order that the buckets are for.
        epoch: clips that are kept by chance may differ from epoch to epoch.
    """
    filled: dict[Bucket, list[int]] = {}
    left_out: dict[str, list[int]] = {}
    for row, clip in enumerate(clips):
        bucket = table.find(clip, table.row_seed(row, seed=seed, epoch=epoch))
        if bucket is not None:
            filled.setdefault(bucket, []).append(row)
        else:
            left_out.setdefault(reason(table, clip), []).append(row)
    return Assignment(filled, left_out)


def reason(table: BucketTable, clip: ClipSize) -> str:
    """Why a clip is in no bucket."""
    levels = [level for level in table.levels if level.fits(clip)]
    if not levels:
        return SMALL
    fits = any(
        table.rule.fills(clip, length.frames) for level in levels for length in level.lengths
    )
    return CHANCE if fits else SHORT


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
