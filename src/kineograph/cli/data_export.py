"""`kineograph data export`: a dataset in a layout that others read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from kineograph.cli.data_import import PARTLY, wanted


@dataclass(frozen=True, kw_only=True)
class DataExport:
    """Write a dataset as a ledger, or in a layout of others, with copies of the videos.

    What ledger, metadata, video-folder and webdataset hold comes back unchanged with `data
    import`; of the others it is said what they keep.
    """

    place: Annotated[Path, "a dataset: a folder, a list, a tar file, or one video"]
    out: Annotated[Path, "the folder to write; for a ledger, the file"]
    to: Annotated[
        Literal[
            "ledger",
            "metadata",
            "webdataset",
            "video-folder",
            "open-sora",
            "open-sora-parquet",
            "open-sora-plan",
            "fastvideo",
            "cosmos-curate",
            "ltx",
            "lists",
            "sidecar",
        ],
        "the layout to write",
    ] = "metadata"
    kind: Annotated[str, "the layout that is there; auto: look"] = "auto"

    def run(self) -> int:
        """Write it; exit code 3 where a row could not be read."""
        from kineograph.data.layouts.table import WRITERS

        problems: list[str] = []
        writer = WRITERS[self.to]
        count = writer.write(wanted(self.place, self.kind, problems), self.out)
        print(f"{self.out}: {count} clips; {len(problems)} rows could not be read")
        if writer.keeps:
            print(f"{self.to} keeps: {writer.keeps}")
        return PARTLY if problems else 0
