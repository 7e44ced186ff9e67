"""`kineograph data check`: every clip of a dataset is decoded; each row gets its line."""

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from kineograph.cli.progress import Progress
from kineograph.errors import KineographError


@dataclass(frozen=True, kw_only=True)
class DataCheck:
    """Decode every clip of a dataset; say for each row what is wrong and what mends it.

    Exit code 1 when a row was refused. Nothing is changed.
    """

    place: Annotated[Path, "a dataset: a folder, a list, a tar file, or one video"]
    kind: Annotated[str, "its layout; auto: look"] = "auto"
    out: Annotated[Path | None, "write a ledger (.parquet) of the clips that are fine"] = None
    limit: Annotated[float, "seconds that one clip may take"] = 60.0
    memory: Annotated[int, "MiB that one clip may take"] = 3072
    workers: Annotated[int, "clips that are decoded at one time"] = 2
    quiet: Annotated[bool, "no lines for rows that are fine"] = False
    format: Annotated[Literal["text", "json"], "json: a line of JSON for each row"] = "text"

    def run(self) -> int:
        """Print a line for each row, and a summary."""
        from kineograph.data.check import check
        from kineograph.data.clip import Clip, to_record
        from kineograph.data.layouts import parquet
        from kineograph.data.layouts.table import read
        from kineograph.media.workers import Limits

        limits = Limits(seconds=self.limit, memory=self.memory * 2**20, workers=self.workers)
        counts = {"ok": 0, "remarks": 0, "refused": 0}
        clips: list[Clip] = []
        with Progress() as progress:
            for finding in check(read(self.place, self.kind), limits):
                counts[finding.outcome] += 1
                progress.show("clips", sum(counts.values()), sum(counts.values()))
                if self.out is not None and finding.clip is not None:
                    clips.append(finding.clip)
                if self.format == "json":
                    record = None if finding.clip is None else to_record(finding.clip)
                    row = {**asdict(replace(finding, clip=None)), "clip": record}
                    print(json.dumps(row), flush=True)
                elif finding.outcome != "ok" or not self.quiet:
                    print(finding, flush=True)
        summary = ", ".join(f"{count} {name}" for name, count in counts.items())
        print(f"{self.place}: {sum(counts.values())} rows: {summary}", file=sys.stderr)
        if self.out is not None:
            parquet.write(clips, self.out)
        if not sum(counts.values()):
            raise KineographError(f"{self.place}: there are no rows")
        return 1 if counts["refused"] else 0
