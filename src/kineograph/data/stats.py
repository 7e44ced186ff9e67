"""How many clips of a dataset reach training, and where: a funnel and a table of buckets."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kineograph.data.assignment import Assignment, Plan, assign, lines
from kineograph.data.buckets import SHORT, Bucket, ClipSize
from kineograph.data.check import Finding
from kineograph.data.clip import Clip
from kineograph.data.frames import at_most
from kineograph.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class OneShape:
    """Every clip is brought to one shape; only those that are too short are left out.

    frames, height, width: of all clips; label: names the shape; batch: clips of a batch.
    """

    frames: int
    height: int
    width: int
    batch: int = 1
    label: str = "all"

    def find(self, clip: ClipSize, seed: int) -> Bucket | None:
        """The bucket; None for a clip that is too short."""
        if clip.frames < self.frames:
            return None
        return Bucket(self.label, self.frames, "all", self.height, self.width, self.batch)

    def reason(self, clip: ClipSize) -> str:
        """Why a clip is left out."""
        return SHORT

    def row_seed(self, row: int, *, seed: int, epoch: int) -> int:
        """Nothing is drawn."""
        return 0


class Frames(Protocol):
    """How many of a clip's frames a plan sees."""

    def __call__(self, clip: Clip) -> ClipSize:
        """The size that a plan looks at; the clip is measured."""


@dataclass(frozen=True)
class AtRate:
    """Frames are shown at an even rate, each nearest in time."""

    fps: float

    def __call__(self, clip: Clip) -> ClipSize:
        """See `Frames`."""
        frames, height, width, fps = measured(clip)
        return ClipSize(math.ceil(frames * self.fps / fps - 1e-6), height, width)


@dataclass(frozen=True)
class AtMost:
    """Whole frames are left out until there are at most `fps` a second; None: all are used."""

    fps: float | None = None

    def __call__(self, clip: Clip) -> ClipSize:
        """See `Frames`."""
        frames, height, width, fps = measured(clip)
        interval = 1 if self.fps is None else at_most(fps, self.fps).interval
        return ClipSize(frames, height, width, interval)


def measured(clip: Clip) -> tuple[int, int, int, float]:
    """Frames, height, width and rate of a clip.

    Raises:
        ConfigError: one of them is not known.
    """
    facts = clip.facts
    if facts.frames is None or facts.height is None or facts.width is None or facts.fps is None:
        raise ConfigError(f"{clip.source}: not measured; run `kineograph data check` first")
    return facts.frames, facts.height, facts.width, facts.fps


@dataclass(frozen=True)
class Survey:
    """Rows of a dataset, who was left out why, and the buckets of the rest.

    rows: all there were; refused: by reason; clips: those that are looked at, in order.
    """

    rows: int
    refused: Sequence[Finding]
    clips: Sequence[Clip]
    assignment: Assignment

    @property
    def funnel(self) -> list[tuple[str, int]]:
        """From all rows to clips in buckets: what is there, and how many are left."""
        steps = [("rows", self.rows), ("can be decoded", len(self.clips))]
        left = len(self.clips)
        for reason, rows in sorted(self.assignment.left_out.items()):
            left -= len(rows)
            steps.append((f"not {reason}", left))
        batches = {bucket: len(rows) for bucket, rows in self.assignment.filled.items()}
        steps.append(("in buckets", sum(batches.values())))
        whole = sum(n // b.batch * b.batch for b, n in batches.items() if b.batch)
        steps.append(("in whole batches", whole))
        return steps

    def lines(self) -> list[str]:
        """The funnel, the table, and a line for each clip that is left out."""
        width = max(len(name) for name, _ in self.funnel)
        shown = [f"{name:<{width}}  {count:>7}" for name, count in self.funnel]
        shown += ["", *lines(self.assignment)]
        for finding in self.refused:
            shown.append(str(finding))
        for reason, rows in sorted(self.assignment.left_out.items()):
            shown += [f"left out: {self.clips[row].source}: {reason}" for row in rows]
        return shown

    def data(self) -> Mapping[str, Any]:
        """The same for other programs."""
        buckets = [
            {
                "frames": bucket.frames,
                "height": bucket.height,
                "width": bucket.width,
                "size": bucket.size,
                "shape": bucket.label,
                "batch": bucket.batch,
                "clips": [self.clips[row].source for row in rows],
            }
            for bucket, rows in self.assignment.filled.items()
        ]
        left = [
            {"row": self.clips[row].source, "reason": reason}
            for reason, rows in self.assignment.left_out.items()
            for row in rows
        ]
        refused = [
            {"row": one.row, "reason": "; ".join(remark.what for remark in one.remarks)}
            for one in self.refused
        ]
        return {"funnel": dict(self.funnel), "buckets": buckets, "left_out": refused + left}


def survey(findings: Iterable[Finding], plan: Plan, frames: Frames, *, seed: int = 0) -> Survey:
    """Assign all clips that can be decoded.

    Args:
        findings: of every row.
        plan: what knows the buckets.
        frames: how many of a clip's frames it sees.
        seed: of clips that are kept by chance; the first epoch is shown.
    """
    rows, refused, clips = 0, [], []
    for finding in findings:
        rows += 1
        if finding.clip is None:
            refused.append(finding)
        else:
            clips.append(finding.clip)
    return Survey(rows, refused, clips, assign(plan, [frames(clip) for clip in clips], seed=seed))
