"""Draw the curves of training runs from their journals.

    python benchmarks/training_curves.py OUT.png RUN [RUN ...]

Every run folder gives a row of two pictures: its losses, and what was evaluated.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot  # after the choice of a backend without windows
from matplotlib.axes import Axes

Record = Mapping[str, Any]


def read(run: Path) -> list[Record]:
    """All records of a run, in order."""
    lines = (run / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def draw_losses(axes: Axes, records: Sequence[Record], name: str) -> None:
    """Losses over the steps of all stages, one line a term, a bar between stages."""
    steps = [record for record in records if "stage" in record]
    offset, last, positions = 0, 0, []
    stage = steps[0]["stage"] if steps else ""
    for record in steps:
        if record["stage"] != stage:
            stage, offset = record["stage"], offset + last
            axes.axvline(offset, color="0.8")
        last = int(record["step"])
        positions.append(offset + last)
    terms = sorted({key for record in steps for key in record if "loss" in key or key == "squared"})
    for term in terms:
        points = [(x, r[term]) for x, r in zip(positions, steps, strict=True) if term in r]
        axes.plot([x for x, _ in points], [y for _, y in points], label=term, linewidth=1)
    axes.set(title=name, xlabel="step", yscale="log")
    axes.legend(fontsize=7)


def draw_evaluations(axes: Axes, records: Sequence[Record]) -> None:
    """Evaluations in the order in which they were made."""
    found = [record for record in records if "evaluation" in record]
    for term in ("psnr", "psnr_on_object"):
        values = [record[term] for record in found if term in record]
        if values:
            axes.plot(range(1, len(values) + 1), values, marker=".", label=f"{term} (dB)")
    if found:
        axes.set(title="held-out clips", xlabel="evaluation")
        axes.legend(fontsize=7)
    else:
        axes.axis("off")


def main(out: Path, runs: Sequence[Path]) -> None:
    """Draw all runs into one picture."""
    figure, grid = pyplot.subplots(len(runs), 2, figsize=(10, 3.2 * len(runs)), squeeze=False)
    for (left, right), run in zip(grid, runs, strict=True):
        records = read(run)
        draw_losses(left, records, run.name)
        draw_evaluations(right, records)
    figure.tight_layout()
    figure.savefig(out, dpi=90)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python benchmarks/training_curves.py OUT.png RUN [RUN ...]")
    main(Path(sys.argv[1]), [Path(run) for run in sys.argv[2:]])
