"""Train the laboratory's autoencoders as their recipes say; report decibels and CPU minutes.

    python benchmarks/laboratory_autoencoders.py [NAME ...] [--report FILE]

A kind passes with 24 dB on held-out clips after at most ten minutes of one CPU thread. CPU time
is that of this process, rendering and measuring included, so that other work on the machine
counts little.
"""

import argparse
import platform
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from kineograph import recipes
from kineograph.parallel.replicas import Replicas
from kineograph.training import health
from kineograph.training.autoencoder import STATISTICS_SEED, AutoencoderTrainer
from kineograph.training.run import Run

NAMES = tuple(name for name in recipes.names() if name.startswith("lab-"))
NEVER = 10**9
DECIBELS, MINUTES = 24.0, 10.0


@dataclass(frozen=True)
class Row:
    """What became of one kind."""

    name: str
    parameters: int
    steps: int
    batch: int
    latents: tuple[int, ...]
    decibels: float
    minutes: float
    collapsed: int
    rank: float

    @property
    def passed(self) -> bool:
        """Whether it keeps the promise."""
        return self.decibels >= DECIBELS and self.minutes <= MINUTES

    def __str__(self) -> str:
        size = " x ".join(map(str, self.latents))
        return (
            f"| {self.name} | {self.parameters / 1e6:.2f} M | {size} | {self.steps} x {self.batch}"
            f" | {self.decibels:.2f} | {self.minutes:.1f} | {self.collapsed} | {self.rank:.1f}"
            f" | {'yes' if self.passed else 'no'} |"
        )


def train(name: str) -> Row:
    """Train one recipe's autoencoder from nothing, in one thread."""
    recipe = recipes.get(name)
    (stage,) = recipe.autoencoder_stages
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(folder=Path(folder), save_every=NEVER, evaluate_every=50, bfloat16=False)
        begin = time.process_time()
        model = recipe.autoencoder.build()
        trainer = AutoencoderTrainer(model, recipe.autoencoder_stages, run, Replicas(), say)
        trained = trainer.train()
        decibels = trainer.evaluate(stage.clips)
        minutes = (time.process_time() - begin) / 60
    found = health.measure(trained, stage.clips, STATISTICS_SEED)
    for line in found.lines():
        say(line)
    clips = stage.clips
    return Row(
        name=name,
        parameters=sum(weight.numel() for weight in model.parameters()),
        steps=stage.schedule.steps,
        batch=stage.schedule.batch,
        latents=trained.latent_shape(clips.frames, clips.size, clips.size),
        decibels=decibels,
        minutes=minutes,
        collapsed=len(found.collapsed),
        rank=found.effective_rank,
    )


def say(line: str) -> None:
    """A line at once, also into a pipe."""
    print(line, flush=True)


def report(rows: Sequence[Row]) -> str:
    """The whole report, in Markdown."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return "\n".join(
        [
            f"# The laboratory's autoencoders, {time.strftime('%Y-%m-%d')}",
            "",
            "| | |",
            "|---|---|",
            f"| hardware | {processor()}, one thread of it, shared with other work |",
            f"| software | Python {platform.python_version()}, torch {torch.__version__} |",
            f"| commit | {commit.stdout.strip() or 'none'} |",
            "| command | `nice -n 7 python benchmarks/laboratory_autoencoders.py` |",
            "",
            "PSNR is the mean over 24 held-out toybox clips, from modes of the latents, with "
            "averaged weights; minutes are CPU time.",
            f"A kind passes with {DECIBELS:g} dB after at most {MINUTES:g} minutes.",
            "",
            "| recipe | parameters | latents C x F x H x W | steps x batch | dB | CPU minutes "
            "| collapsed channels | effective rank | passes |",
            "|---|---|---|---|---|---|---|---|---|",
            *map(str, rows),
            "",
        ]
    )


def processor() -> str:
    """The processor's name, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> int:
    """Train what is asked for; exit code 1 when one does not pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--report", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in asked.names:
        rows.append(train(name))
        say(str(rows[-1]))
    if asked.report is not None:
        asked.report.write_text(report(rows), encoding="utf-8")
    say(report(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
