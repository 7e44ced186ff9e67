"""Begin the training of the shipped model again, for ten minutes, and compare with how it went.

    python benchmarks/repeat_toybox.py [--minutes 10] [--folder DIR] [--report FILE] [--curve PNG]

The commands are those of `make train-toybox`, with the same stages and as many processes, stopped
when their time is over: the autoencoder from nothing, and the denoiser from nothing on pictures
that the shipped autoencoder encodes, which takes two more minutes. With a folder that is there
already both go on where they stood. Each record of a journal is compared with the record of
the same step in the journals of the shipped model (docs/models/toybox). Seeds differ from theirs
and code has changed since, so curves lie on one another only as closely as 20 steps are alike.
"""

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

HOME = Path(__file__).parent.parent
LONG = HOME / "docs" / "models" / "toybox"
PICTURES = 3000  # more than a few minutes see twice
PROCESSES = 2
NEAR = 0.15  # how far the median of the losses' ratios may be from 1
FIRST = 2  # records in which the step that one run is behind the other still shows


@dataclass(frozen=True)
class Curve:
    """The losses of a run and of the long one at the same steps of one stage."""

    name: str
    steps: tuple[int, ...]
    here: tuple[float, ...]
    long: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the losses' ratios after the first records."""
        ratios = [a / b for a, b in zip(self.here, self.long, strict=True)]
        return statistics.median(ratios[FIRST:] or ratios)


def losses(journal: Path) -> dict[int, float]:
    """The losses of a journal's first stage by step."""
    lines = journal.read_text(encoding="utf-8").splitlines()
    records = [record for record in map(json.loads, lines) if "stage" in record]
    return {one["step"]: one["loss"] for one in records if one["stage"] == records[0]["stage"]}


def compared(name: str, here: Path, long: Path) -> Curve:
    """Two journals at the steps that both have."""
    ours, theirs = losses(here), losses(long)
    steps = tuple(sorted(ours.keys() & theirs.keys()))
    return Curve(
        name, steps, tuple(ours[one] for one in steps), tuple(theirs[one] for one in steps)
    )


def call(verb: str, out: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start one command of the command line."""
    line = [sys.executable, "-c", "from kineograph.cli.app import main; main()", verb]
    line += ["--model", "toybox", "--out", str(out), "--processes", str(PROCESSES), *words]
    return subprocess.Popen(line)


def until(job: subprocess.Popen[bytes], moment: float) -> None:
    """Let a command run until a moment of `time.monotonic`, then stop it."""
    try:
        job.wait(max(0.0, moment - time.monotonic()))
    except subprocess.TimeoutExpired:
        job.terminate()  # an interrupt is ignored where a shell runs this in the background
        job.wait()


def trained(folder: Path, minutes: float) -> list[Curve]:
    """Train both parts, half of the time each; between them pictures are encoded."""
    until(call("train-autoencoder", folder / "autoencoder"), time.monotonic() + 30 * minutes)
    shipped = HOME / "src" / "kineograph" / "weights" / "toybox"
    words = ["--autoencoder", str(shipped), "--set", "cache.frames=1"]
    call("cache", folder / "pictures", "--clips", str(PICTURES), *words).wait()
    job = call("train", folder / "denoiser", "--data", str(folder / "pictures"), *words)
    until(job, time.monotonic() + 30 * minutes)
    return [
        compared(name, folder / name / "journal.jsonl", LONG / f"{name}.jsonl")
        for name in ("autoencoder", "denoiser")
    ]


def report(curves: Sequence[Curve], minutes: float) -> str:
    """The tables, in Markdown."""
    lines = [
        f"# The first minutes of `make train-toybox` again, {date.today()}",
        "",
        f"{minutes:.1f} minutes on {platform.machine()}, {PROCESSES} processes of one thread, by",
        "`python benchmarks/repeat_toybox.py`. Losses are means of 20 steps.",
    ]
    for curve in curves:
        lines += ["", f"## {curve.name}: median ratio {curve.ratio:.3f}", ""]
        lines += ["| step | loss here | loss of the long run | ratio |", "|---|---|---|---|"]
        lines += [
            f"| {step} | {a:.4f} | {b:.4f} | {a / b:.3f} |"
            for step, a, b in zip(curve.steps, curve.here, curve.long, strict=True)
        ]
    return "\n".join(lines) + "\n"


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Both curves of each run, the long ones to four times as many steps."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(curves), figsize=(10, 3.4), squeeze=False)
    for place, curve in zip(axes[0], curves, strict=True):
        long = losses(LONG / f"{curve.name}.jsonl")
        shown = [step for step in long if step <= 4 * max(curve.steps)]
        place.plot(shown, [long[step] for step in shown], label="long run", linewidth=3, alpha=0.4)
        place.plot(curve.steps, curve.here, label="again", marker=".")
        place.set(title=curve.name, xlabel="step", ylabel="loss", yscale="log")
        place.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, compare, report; 1 where a curve lies elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--curve", type=Path)
    options = parser.parse_args(arguments)
    folder = options.folder or Path(tempfile.mkdtemp())
    try:
        curves = trained(folder, options.minutes)
        text = report(curves, options.minutes)
        print(text)
        if options.report:
            options.report.write_text(text, encoding="utf-8")
        if options.curve:
            draw(curves, options.curve)
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    return int(any(abs(curve.ratio - 1.0) > NEAR for curve in curves))


if __name__ == "__main__":
    sys.exit(main())
