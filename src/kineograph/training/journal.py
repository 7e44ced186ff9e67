"""What a run writes down: one JSON object a line, and a readable line now and then."""

import json
import time
from collections.abc import Callable
from pathlib import Path

Say = Callable[[str], None]


class Journal:
    """Appends records to `journal.jsonl`; averages what lies between two of them.

    Without a folder it keeps silent: only one of several processes writes.
    """

    def __init__(self, folder: Path | None, say: Say, every: int = 20) -> None:
        self.path = None if folder is None else folder / "journal.jsonl"
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._say = say
        self.every = every
        self.started = time.monotonic()
        self.values: dict[str, list[float]] = {}
        self.count = 0

    def say(self, line: str) -> None:
        """A line for whoever watches."""
        if self.path is not None:
            self._say(line)

    def step(self, stage: str, index: int, of: int, numbers: dict[str, float]) -> None:
        """Count one step; every so often write the averages since the last record."""
        self.count += 1
        for name, value in numbers.items():
            self.values.setdefault(name, []).append(value)
        if self.count < self.every and index + 1 < of:
            return
        now = time.monotonic()
        means = {name: sum(found) / len(found) for name, found in self.values.items()}
        means["seconds_per_step"] = (now - self.started) / self.count
        left = means["seconds_per_step"] * (of - index - 1)
        self.write({"stage": stage, "step": index + 1, "of": of, **means})
        shown = "  ".join(f"{name} {value:.4g}" for name, value in means.items())
        self.say(f"{stage} {index + 1}/{of}  {shown}  {left / 60:.1f} min left")
        self.values, self.count, self.started = {}, 0, now

    def note(self, numbers: dict[str, float | str]) -> None:
        """Write an evaluation, outside the averages and the clock."""
        before = time.monotonic()
        self.write(numbers)
        self.say("  ".join(f"{name} {_short(value)}" for name, value in numbers.items()))
        self.started += time.monotonic() - before

    def write(self, record: dict[str, float | str]) -> None:
        """Append one record."""
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"time": round(time.time(), 1), **record}) + "\n")


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
