"""`kineograph evaluate compare`: two score cards beside each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated


@dataclass(frozen=True, kw_only=True)
class EvaluateCompare:
    """Say in what two score cards differ, with 95 % intervals; unlike settings are refused."""

    before: Annotated[Path, "folder of an evaluation, or its report.json"]
    after: Annotated[Path, "another one"]

    def run(self) -> None:
        """Print a line for every score that both have."""
        from kineograph.evaluation.compare import compare, told
        from kineograph.evaluation.report import read

        one, other = read(self.before), read(self.after)
        changes = compare(one, other)
        for line in told(one, other):
            print(line)
        print("* the 95 % interval of the difference leaves out zero")
        group = ""
        for change in changes:
            if change.before.group != group:
                group = change.before.group
                print(f"\n{group}")
            mark = "*" if change.sure else " "
            values = f"{change.before.plain()} -> {change.after.plain()}"
            print(f"{mark} {change.before.name:52} {values:24} {change}")
