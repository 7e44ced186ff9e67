"""`kineograph data stats`: which clips would reach training, in which buckets, who would not."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from kineograph.errors import ConfigError, nearest

if TYPE_CHECKING:
    from kineograph.data.assignment import Plan
    from kineograph.data.stats import Frames


@dataclass(frozen=True, kw_only=True)
class DataStats:
    """Show the bucket table and the funnel of a dataset, before anything is trained.

    Clips that nobody has measured are decoded first, as `data check` does; its ledger saves that.
    """

    place: Annotated[Path, "a dataset: a folder, a list, a tar file, or one video"]
    kind: Annotated[str, "its layout; auto: look"] = "auto"
    model: Annotated[str, "the recipe whose clips' shape is wanted"] = "toybox"
    buckets: Annotated[str | None, "a published table instead, e.g. open-sora-1-stage-1"] = None
    fps: Annotated[float | None, "with --buckets: leave out frames above this rate"] = None
    seed: Annotated[int, "of clips that are kept by chance"] = 0
    limit: Annotated[float, "seconds that one clip may take"] = 60.0
    workers: Annotated[int, "clips that are decoded at one time"] = 2
    set: Annotated[tuple[str, ...], "recipe overrides, e.g. cache.frames=33"] = ()
    format: Annotated[Literal["text", "json"], "json: for other programs"] = "text"

    def run(self) -> None:
        """Print the funnel, the table, and a line for each clip that is left out."""
        from kineograph.data.check import known_or_checked
        from kineograph.data.layouts.table import read
        from kineograph.data.stats import survey
        from kineograph.media.workers import Limits

        plan, frames = self._plan()
        limits = Limits(seconds=self.limit, workers=self.workers)
        findings = known_or_checked(read(self.place, self.kind), limits)
        found = survey(findings, plan, frames, seed=self.seed)
        if self.format == "json":
            print(json.dumps(found.data(), indent=2))
        else:
            print("\n".join(found.lines()))

    def _plan(self) -> "tuple[Plan, Frames]":
        from kineograph import recipes
        from kineograph.config import override
        from kineograph.data.buckets import BucketTable
        from kineograph.data.published_buckets import TABLES
        from kineograph.data.stats import AtMost, AtRate, OneShape

        if self.buckets is None:
            clips = override(recipes.get(self.model), *self.set).cache
            shape = OneShape(
                frames=clips.frames, height=clips.size, width=clips.size, label=self.model
            )
            return shape, AtRate(clips.fps)
        table: BucketTable | None = TABLES.get(self.buckets)
        if table is None:
            raise ConfigError(f"no buckets {self.buckets!r}{nearest(self.buckets, TABLES)}")
        return table, AtMost(self.fps)
