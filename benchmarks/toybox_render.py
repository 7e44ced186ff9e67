"""How fast the toybox draws and writes, and what 10,000 clips cost.

    python benchmarks/toybox_render.py [--clips 24]

Times are CPU time of one process with one thread, so that a machine that also does other work
gives nearly the same numbers; wall time is shown beside them.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch

from kineograph.toybox.dataset import Plan, sample
from kineograph.toybox.render import render, times
from kineograph.toybox.world import sample_scene

FRAMES, FPS = 17, 8.0
WHOLE, CORES = 10_000, 2


def measured(job: Callable[[int], object], clips: int) -> tuple[float, float]:
    """CPU and wall milliseconds per clip of a job that is given a clip's number."""
    job(0)
    cpu, wall = time.process_time(), time.perf_counter()
    for number in range(1, clips + 1):
        job(number)
    spent = time.process_time() - cpu, time.perf_counter() - wall
    return 1000 * spent[0] / clips, 1000 * spent[1] / clips


def drawing(level: int, size: int, clips: int) -> tuple[float, float]:
    """Milliseconds per frame of drawing alone."""
    scenes = [sample_scene(level, seed) for seed in range(clips + 1)]
    moments = times(FRAMES, FPS)
    cpu, wall = measured(lambda number: render([scenes[number]], moments, (size, size)), clips)
    return cpu / FRAMES, wall / FRAMES


def writing(plan: Plan, clips: int) -> tuple[float, float]:
    """Milliseconds per clip of a dataset: scene, rules, frames, caption, JSON, encoding."""
    return measured(lambda number: sample(plan, number), clips)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=24, help="clips per row")
    clips = parser.parse_args().clips
    torch.set_num_threads(1)
    print(
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {clips} clips\n"
    )
    print("| level | size | CPU ms a frame | wall ms a frame | clips a minute and core |")
    print("|---|---|---|---|---|")
    for level in (1, 2, 3):
        for size in (64, 128):
            cpu, wall = drawing(level, size, clips)
            rate = 60_000 / (cpu * FRAMES)
            print(f"| {level} | {size}x{size} | {cpu:.2f} | {wall:.2f} | {rate:.0f} |", flush=True)
    print(f"\n| level | size | files | CPU ms a clip | {WHOLE:,} clips on {CORES} cores |")
    print("|---|---|---|---|---|")
    for level in (1, 2, 3):
        for size, form in ((64, "npz"), (128, "npz"), (128, "mp4")):
            plan = Plan(level=level, size=(size, size), format=form)  # type: ignore[arg-type]
            cpu, _ = writing(plan, clips)
            minutes = cpu * WHOLE / CORES / 60_000
            row = f"| {level} | {size}x{size} | {form} | {cpu:.0f} | {minutes:.1f} min |"
            print(row, flush=True)


if __name__ == "__main__":
    main()
