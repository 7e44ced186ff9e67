"""What a verification found, as text for people and as data for programs."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from kineograph.proof.compare import Check

Status = Literal["pass", "fail", "unsupported", "data"]
WORDS: dict[Status, str] = {
    "pass": "PASS",
    "fail": "FAIL",
    "unsupported": "not supported yet",
    "data": "data, nothing to verify",
}


@dataclass(frozen=True)
class Entry:
    """One verified file.

    checks: one per output; written: whether the state came back bit for bit, None: not asked for;
    reasons: what is wrong with the file as a whole; seconds: wall time.
    """

    name: str
    kind: str
    status: Status
    checks: tuple[Check, ...] = ()
    written: bool | None = None
    reasons: tuple[str, ...] = ()
    note: str = ""
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """A heading, a line per output, and the verdict."""
        title = f"{self.name} ({self.kind})" if self.kind else self.name
        width = max((len(check.name) for check in self.checks), default=0)
        lines = [title, *(f"  {_line(check, width)}" for check in self.checks)]
        if self.written is not None:
            verdict = "bit for bit  PASS" if self.written else "not the same  FAIL"
            lines.append(f"  state written back: {verdict}")
        if self.note:
            lines.append(f"  note: {self.note}")
        lines += [f"  {line}" for reason in self.reasons for line in reason.splitlines()]
        counted = [check for check in self.checks if not check.informative]
        right = sum(check.passed for check in counted)
        total = f", {right} of {len(counted)} outputs" if counted else ""
        return [*lines, f"  {WORDS[self.status]}{total} ({self.seconds:.2f} s)"]

    def data(self) -> dict[str, Any]:
        """The same as plain data; a number that is not finite becomes None."""
        return {
            "name": self.name,
            "kind": self.kind,
            "status": self.status,
            "outputs": [
                {
                    "name": check.name,
                    "passed": check.passed,
                    "informative": check.informative,
                    "largest_error": _finite(check.largest),
                    "relative_error": _finite(check.relative),
                    "tolerance": check.tolerance,
                    "reason": check.reason,
                }
                for check in self.checks
            ],
            "state_written_back": self.written,
            "reasons": list(self.reasons),
            "note": self.note,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Report:
    """All verified files, in order."""

    entries: tuple[Entry, ...]

    @property
    def exit_code(self) -> int:
        """0: all pass; 1: one fails; 3: none fails, but a kind is not supported yet."""
        found = {entry.status for entry in self.entries}
        if "fail" in found or not found:
            return 1
        return 3 if "unsupported" in found else 0

    def text(self) -> str:
        """Every file, then the count."""
        lines = [line for entry in self.entries for line in entry.lines()]
        return "\n".join([*lines, self.summary()])

    def summary(self) -> str:
        """One line: how many files passed, failed, or were left, and the kinds not supported."""
        counts = {status: sum(e.status == status for e in self.entries) for status in WORDS}
        kinds = sorted({e.kind for e in self.entries if e.status == "unsupported"})
        named = f" ({', '.join(kinds)})" if kinds else ""
        return (
            f"{len(self.entries)} files: {counts['pass']} passed, {counts['fail']} failed, "
            f"{counts['unsupported']} not supported yet{named}, {counts['data']} plain data"
        )

    def data(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "exit_code": self.exit_code,
            "summary": self.summary(),
            "files": [entry.data() for entry in self.entries],
        }


def _line(check: Check, width: int) -> str:
    verdict = "PASS" if check.passed else "FAIL"
    if check.informative:
        verdict = "informative"
    numbers = f"max {_number(check.largest)}  relative {_number(check.relative)}"
    rule = f"tolerance {check.tolerance:.0e}" if check.tolerance else "tolerance equal"
    reason = f": {check.reason}" if check.reason else ""
    return f"{check.name:<{width}}  {numbers}  {rule}  {verdict}{reason}"


def _number(number: float) -> str:
    return f"{'-':9}" if math.isnan(number) else f"{number:.3e}"


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
