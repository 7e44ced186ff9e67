"""What a run writes down: one JSON object a line, and a readable line now and then."""

import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from kineograph.errors import DataError
from kineograph.training.trackers import Tracker

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What is counted in a step, not averaged.

    tokens: of latents that the denoiser looked at, 0: none does; waited: seconds until the data
    were there; samples: how many came from each bucket.
    """

    tokens: int = 0
    waited: float = 0.0
    samples: Mapping[str, int] = field(default_factory=dict)


class Journal:
    """Appends records to `journal.jsonl`; averages what lies between two of them.

    Without a folder it keeps silent: only one of several processes writes. `before` counts the
    steps of the stages before this one, for trackers.

    Raises:
        DataError: the disk is full or the place cannot be written to.
    """

    def __init__(
        self, folder: Path | None, say: Say, every: int = 20, trackers: Sequence[Tracker] = ()
    ) -> None:
        self.path = None if folder is None else folder / "journal.jsonl"
        if self.path is not None:
            _mend(self.path)
        self._say = say
        self.every = every
        self.trackers = trackers
        self.before = 0
        self.started = 0.0  # on the clock of `time.monotonic`
        self._begin()

    def say(self, line: str) -> None:
        """A line for whoever watches."""
        if self.path is not None:
            self._say(line)

    def step(
        self,
        stage: str,
        index: int,
        of: int,
        numbers: Mapping[str, float],
        tally: Tally | None = None,
    ) -> None:
        """Count one step; every so often write the averages since the last record."""
        self.count += 1
        for name, value in numbers.items():
            self.values.setdefault(name, []).append(value)
        if tally is not None:
            self.tallies.append(tally)
        if self.count < self.every and index + 1 < of:
            return
        means = {name: sum(found) / len(found) for name, found in self.values.items()}
        shown = "  ".join(f"{name} {value:.4g}" for name, value in means.items() if "/" not in name)
        elapsed = max(time.monotonic() - self.started, 1e-9)
        means["seconds_per_step"] = elapsed / self.count
        means |= self._rates(elapsed)
        left = means["seconds_per_step"] * (of - index - 1)
        self.write({"stage": stage, "step": index + 1, "of": of, **means})
        self._track(index + 1, means)
        shown += f"  seconds_per_step {means['seconds_per_step']:.4g}"
        self.say(f"{stage} {index + 1}/{of}  {shown}  {left / 60:.1f} min left")
        self._begin()

    def note(self, numbers: Mapping[str, float | str], step: int = 0) -> None:
        """Write an evaluation after `step` steps of a stage, outside the averages and the clock."""
        with self.paused():
            self.write(numbers)
            self._track(step, {k: v for k, v in numbers.items() if not isinstance(v, str)})
            shown = ((name, value) for name, value in numbers.items() if "/" not in name)
            self.say("  ".join(f"{name} {_short(value)}" for name, value in shown))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock of the steps, for what is none: evaluations, samples, saving."""
        elapsed = time.monotonic() - self.started
        yield
        self.started = time.monotonic() - elapsed

    def write(self, record: Mapping[str, float | str]) -> None:
        """Append one record."""
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"time": round(time.time(), 1), **record}) + "\n")
        except OSError as error:
            raise DataError(
                f"{self.path}: cannot be written: {error.strerror}; the last state beside it is "
                "as it was, the same command goes on from there"
            ) from error

    def state_dict(self) -> dict[str, Any]:
        """How long the file is, and what is counted since its last record."""
        there = self.path is not None and self.path.exists()
        return {
            "size": self.path.stat().st_size if there and self.path is not None else 0,
            "count": self.count,
            "values": self.values,
            "tallies": [{**vars(one), "samples": dict(one.samples)} for one in self.tallies],
            "elapsed": time.monotonic() - self.started,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back the records of steps that are done again, so that each stands there once.

        Raises:
            DataError: the file cannot be written.
        """
        self.cut(state["size"])
        self.count = state["count"]
        self.values.update((name, list(found)) for name, found in state["values"].items())
        self.tallies += [Tally(**tally) for tally in state["tallies"]]
        self.started = time.monotonic() - state["elapsed"]

    def cut(self, size: int) -> None:
        """Make the file shorter, in one step; one that is not longer stays."""
        if self.path is not None:
            _cut(self.path, size)

    def finish(self) -> None:
        """Let the trackers end."""
        for tracker in self.trackers:
            tracker.finish()

    def _begin(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.tallies: list[Tally] = []
        self.count = 0
        self.started = time.monotonic()

    def _rates(self, elapsed: float) -> dict[str, float]:
        """Tokens per second, the share of time spent waiting for data, samples per bucket."""
        found = {"memory_peak_gib": peak_memory()}
        if self.tallies:
            samples: Counter[str] = Counter()
            for tally in self.tallies:
                samples.update(tally.samples)
            if tokens := sum(one.tokens for one in self.tallies):
                found["tokens_per_second"] = tokens / elapsed
            found["data_wait_share"] = sum(one.waited for one in self.tallies) / elapsed
            found |= {f"samples/{name}": float(count) for name, count in sorted(samples.items())}
        return found

    def _track(self, step: int, scalars: Mapping[str, float]) -> None:
        for tracker in self.trackers:
            tracker.log(self.before + step, scalars)


def _mend(path: Path) -> None:
    """Cut off a last line that was not written to its end, when the disk was full."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
    _cut(path, whole.rfind(b"\n") + 1)


def _cut(path: Path, size: int) -> None:
    try:
        if path.exists() and path.stat().st_size > size:
            os.truncate(path, size)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error


def peak_memory() -> float:
    """The most memory that was in use so far, GiB: of the accelerator, or of this process."""
    if torch.accelerator.is_available():
        return torch.accelerator.max_memory_allocated() / 2**30
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**30 if sys.platform == "darwin" else 2**20)


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
