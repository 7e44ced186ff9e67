"""`kineograph data import`: any list of clips becomes a ledger, the form that is ours."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    from kineograph.data.clip import Clip

PARTLY = 3


@dataclass(frozen=True, kw_only=True)
class DataImport:
    """Read a dataset in anybody's layout, and write the ledger `clips.parquet`.

    No video is opened or copied; `data check --out` does the same and measures every clip. A
    row that cannot be read gets a line; exit code 3 where there was one.
    """

    place: Annotated[Path, "a dataset: a folder, a list, a tar file, or one video"]
    out: Annotated[Path, "the ledger to write, e.g. clips.parquet"]
    kind: Annotated[str, "its layout; auto: look"] = "auto"

    def run(self) -> int:
        """Write the ledger."""
        from kineograph.data.layouts import parquet

        problems: list[str] = []
        count = parquet.write(wanted(self.place, self.kind, problems), self.out)
        print(f"{self.out}: {count} clips; {len(problems)} rows could not be read")
        return PARTLY if problems else 0


def wanted(place: Path, kind: str, problems: list[str]) -> "Iterator[Clip]":
    """The clips of a dataset; every row that is none is printed and noted."""
    from kineograph.data.layouts.rows import Problem
    from kineograph.data.layouts.table import read

    for row in read(place, kind):
        if isinstance(row, Problem):
            problems.append(str(row))
            print(f"kineograph: {row}", file=sys.stderr)
        else:
            yield row
