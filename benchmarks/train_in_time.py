"""Train a toybox recipe as far as a given time goes: a GPU's ten minutes, say.

    python benchmarks/train_in_time.py runs/large --model toybox-large --minutes 9 \
        --device cuda --workers 14 --levels 1 2 3
    python benchmarks/train_in_time.py runs/small --model toybox-64 --minutes 60 --processes 2
    python benchmarks/train_in_time.py runs/short --minutes 60 --processes 2 \
        --start runs/small/denoiser/weights

A few steps of each stage are timed first; then all stages are made shorter or longer, each the
same share of the whole as in the recipe. Caches take what is finished in their time. The
weights, in the end in OUT/denoiser/weights, are those that `kineograph train` writes.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SHARES = {"autoencoder": 0.4, "cache": 0.15, "denoiser": 0.45}
PROBE = 24  # steps that are timed first, shared out over the stages
POLL = 0.5  # seconds
ENDLESS = 1_000_000  # clips
Stages = Mapping[str, int]


@dataclass(frozen=True)
class Plan:
    """What is trained, on what, and how long."""

    out: Path
    model: str
    minutes: float
    device: str
    processes: int
    workers: int
    levels: tuple[int, ...]
    start: str
    set: tuple[str, ...]

    def command(self, verb: str, out: str, *words: str) -> list[str]:
        """One call of the command line."""
        call = [sys.executable, "-c", "from kineograph.cli.app import main; main()", verb]
        call += ["--model", self.model, "--out", str(self.out / out), "--device", self.device]
        call += ["--processes", str(self.processes), *words]
        return call + [word for one in self.set for word in ("--set", one)]


def pace(journal: Path) -> dict[str, float]:
    """Seconds per step of each stage, by a run's last record of it."""
    lines = journal.read_text(encoding="utf-8").splitlines()
    records = [record for record in map(json.loads, lines) if "seconds_per_step" in record]
    return {record["stage"]: record["seconds_per_step"] for record in records}


def steps_in(seconds: float, stages: Stages, paces: Mapping[str, float]) -> int:
    """How many steps of all stages together fit into a time; at least one of each.

    Args:
        seconds: the time.
        stages: steps of each stage in the recipe.
        paces: seconds per step of each.
    """
    whole = sum(stages.values())
    each = sum(count / whole * paces[name] for name, count in stages.items())
    return max(len(stages), int(seconds / each))


def train(plan: Plan, stages: Stages, call: Sequence[str], name: str, until: float) -> int:
    """Time a few steps of a training, then train until a moment; returns the steps.

    Args:
        plan: where.
        stages: of the recipe, with their steps.
        call: the command without its folder and steps.
        name: of the run's folder.
        until: on the clock of `time.monotonic`.
    """
    probe = max(PROBE, len(stages))
    run(_at(call, plan.out / f"{name}-timed", probe))
    paces = pace(plan.out / f"{name}-timed" / "journal.jsonl")
    steps = steps_in(until - time.monotonic(), stages, paces)
    print(f"{name}: {steps} of the recipe's {sum(stages.values())} steps", flush=True)
    run(_at(call, plan.out / name, steps))
    return steps


def cache(plan: Plan, until: float) -> list[Path]:
    """Clips of all levels at once, as many as are done at a moment and at least one shard each."""
    folders = [plan.out / f"level-{level}" for level in plan.levels]
    weights = str(plan.out / "autoencoder" / "weights")
    jobs = []
    for level, folder in zip(plan.levels, folders, strict=True):
        words = ["--autoencoder", weights, "--clips", str(ENDLESS), "--set", f"cache.level={level}"]
        words += ["--workers", str(plan.workers // len(folders)), "--seed", f"{level}00000000"]
        jobs.append(subprocess.Popen(plan.command("cache", folder.name, *words)))
    for job, folder in zip(jobs, folders, strict=True):
        while job.poll() is None and (time.monotonic() < until or not _shards(folder)):
            time.sleep(POLL)
        job.terminate()  # an interrupt is ignored where a shell runs this in the background
    for job, folder in zip(jobs, folders, strict=True):
        job.wait()
        print(f"{folder.name}: {_shards(folder)} shards", flush=True)
        if not _shards(folder):
            raise SystemExit(f"{folder}: nothing was cached")
    return folders


def run(call: Sequence[str]) -> None:
    """Run one command to its end."""
    subprocess.run(call, check=True)


def _at(call: Sequence[str], folder: Path, steps: int) -> list[str]:
    words = list(call)
    words[words.index("--out") + 1] = str(folder)
    return [*words, "--steps", str(steps)]


def _shards(folder: Path) -> int:
    return len(list(folder.glob("latents-*.safetensors")))


def everything(plan: Plan) -> dict[str, int]:
    """Train autoencoder and denoiser; returns the steps of each."""
    from kineograph import recipes
    from kineograph.config import override

    recipe = override(recipes.get(plan.model), *plan.set)
    start, whole = time.monotonic(), 60 * plan.minutes
    first = {stage.name: stage.schedule.steps for stage in recipe.autoencoder_stages}
    second = {stage.name: stage.schedule.steps for stage in recipe.stages}
    found, begin = {}, ["--start", plan.start] if plan.start else []
    ends = [start + SHARES["autoencoder"] * whole]
    ends.append(ends[0] + SHARES["cache"] * whole)
    call = plan.command("train-autoencoder", "", "--workers", str(plan.workers), *begin)
    found["autoencoder"] = train(plan, first, call, "autoencoder", ends[0])
    data = [word for folder in cache(plan, ends[1]) for word in ("--data", str(folder))]
    weights = str(plan.out / "autoencoder" / "weights")
    call = plan.command("train", "", "--autoencoder", weights, *data, *begin)
    found["denoiser"] = train(plan, second, call, "denoiser", start + whole)
    print(f"{(time.monotonic() - start) / 60:.1f} minutes: {found}")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="toybox")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that draw clips ahead")
    parser.add_argument("--levels", type=int, nargs="+", default=[1])
    parser.add_argument("--start", default="", help="weights to begin from; default: from nothing")
    parser.add_argument("--set", action="append", default=[], help="recipe overrides")
    options = vars(parser.parse_args(arguments))
    everything(
        Plan(**{**options, "levels": tuple(options["levels"]), "set": tuple(options["set"])})
    )


if __name__ == "__main__":
    main()
