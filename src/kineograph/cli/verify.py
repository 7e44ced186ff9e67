"""`kineograph verify`: how far our parts are from the published systems."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Run our parts on stored vectors and manifests of the published systems.

    Every output is shown with its largest absolute error, its relative error, the tolerance, and
    PASS or FAIL. Exit code: 0 all pass, 1 one fails, 3 none fails but some kind is not supported.
    """

    files: Annotated[
        tuple[Path, ...], "vectors (NAME.json), manifests (NAME.manifest.json.gz), or folders"
    ]
    manifest: Annotated[bool, "take every file as a manifest"] = False
    format: Annotated[Literal["text", "json"], "json: for other programs"] = "text"

    def run(self) -> int:
        """Print what is found, file by file; returns the exit code."""
        from kineograph.proof.report import Report
        from kineograph.proof.verify import entries

        found = []
        for entry in entries(self.files, manifests=self.manifest):
            found.append(entry)
            if self.format == "text":
                print("\n".join(entry.lines()), flush=True)
        report = Report(tuple(found))
        print(report.summary() if self.format == "text" else json.dumps(report.data(), indent=2))
        return report.exit_code
