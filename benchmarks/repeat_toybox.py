"""Begin the training of the shipped model again, for ten minutes, and compare with how it went.

    python benchmarks/repeat_toybox.py [--minutes 10] [--folder DIR] [--report FILE] [--curve PNG]

That is the first command of `make train-toybox`, the autoencoder at 64 x 64 pixels from nothing,
with the same stages and as many processes, stopped when the time is over. With a folder that is
there already it goes on where it stood. Each record of its journal is compared with the record of
the same step in the journal of the shipped model (docs/models/toybox). Seeds differ from its own
and code has changed since, so the curves lie on one another only as closely as 20 steps are alike.
"""

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

HOME = Path(__file__).parent.parent
LONG = HOME / "docs" / "models" / "toybox" / "autoencoder-64.jsonl"
PROCESSES = 2
NEAR = 0.15  # how far the median of the losses' ratios may be from 1
FIRST = 2  # records in which the step that one run is behind the other still shows


@dataclass(frozen=True)
class Curve:
    """The losses of a run and of the long one at the same steps of the first stage."""

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


def compared(here: Path, long: Path) -> Curve:
    """Two journals at the steps that both have."""
    ours, theirs = losses(here), losses(long)
    steps = tuple(sorted(ours.keys() & theirs.keys()))
    return Curve(steps, tuple(ours[one] for one in steps), tuple(theirs[one] for one in steps))


def trained(folder: Path, minutes: float) -> Curve:
    """Train for some minutes."""
    line = [sys.executable, "-c", "from kineograph.cli.app import main; main()"]
    line += ["train-autoencoder", "--model", "toybox-64", "--out", str(folder)]
    job = subprocess.Popen([*line, "--processes", str(PROCESSES)])
    try:
        job.wait(60 * minutes)
    except subprocess.TimeoutExpired:
        job.terminate()  # an interrupt is ignored where a shell runs this in the background
        job.wait()
    return compared(folder / "journal.jsonl", LONG)


def report(curve: Curve, minutes: float) -> str:
    """The table, in Markdown."""
    lines = [
        f"# The first minutes of `make train-toybox` again, {date.today()}",
        "",
        f"{minutes:.1f} minutes on {platform.machine()}, {PROCESSES} processes of one thread, by",
        "`python benchmarks/repeat_toybox.py`. Losses are means of 20 steps. The median ratio to",
        f"those of the long run is {curve.ratio:.3f}.",
        "",
        "| step | loss here | loss of the long run | ratio |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {step} | {a:.4f} | {b:.4f} | {a / b:.3f} |"
        for step, a, b in zip(curve.steps, curve.here, curve.long, strict=True)
    ]
    return "\n".join(lines) + "\n"


def draw(curve: Curve, path: Path) -> None:
    """Both curves, the long one to four times as many steps."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, place = pyplot.subplots(figsize=(6, 3.4))
    long = losses(LONG)
    shown = [step for step in long if step <= 4 * max(curve.steps)]
    place.plot(shown, [long[step] for step in shown], label="long run", linewidth=3, alpha=0.4)
    place.plot(curve.steps, curve.here, label="again", marker=".")
    place.set(xlabel="step", ylabel="loss of the autoencoder", yscale="log")
    place.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, compare, report; 1 where the curve lies elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--curve", type=Path)
    options = parser.parse_args(arguments)
    folder = options.folder or Path(tempfile.mkdtemp())
    try:
        curve = trained(folder, options.minutes)
        text = report(curve, options.minutes)
        print(text)
        if options.report:
            options.report.write_text(text, encoding="utf-8")
        if options.curve:
            draw(curve, options.curve)
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    return int(abs(curve.ratio - 1.0) > NEAR)


if __name__ == "__main__":
    sys.exit(main())
