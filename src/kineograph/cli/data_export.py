"""`kineograph data export`: a dataset in a layout that others read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from kineograph.cli.data_import import PARTLY, wanted


@dataclass(frozen=True, kw_only=True)
class DataExport:
    """Write a dataset as a ledger, as a folder with metadata.jsonl, or as WebDataset's tar files.

    The last two hold copies of the videos. Captions, measures and scores go along, and come
    back with `data import`.
    """

    place: Annotated[Path, "a dataset: a folder, a list, a tar file, or one video"]
    out: Annotated[Path, "the folder to write; for a ledger, the file"]
    to: Annotated[Literal["ledger", "metadata", "webdataset"], "the layout to write"] = "metadata"
    kind: Annotated[str, "the layout that is there; auto: look"] = "auto"

    def run(self) -> int:
        """Write it; exit code 3 where a row could not be read."""
        from kineograph.data.layouts.table import WRITERS

        problems: list[str] = []
        count = WRITERS[self.to](wanted(self.place, self.kind, problems), self.out)
        print(f"{self.out}: {count} clips; {len(problems)} rows could not be read")
        return PARTLY if problems else 0
