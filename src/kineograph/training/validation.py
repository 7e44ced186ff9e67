"""The loss on held-out clips: lengths and sizes in a grid, equidistant times, fixed draws.

Open-Sora 1.2 (2412.20404, 4.3): a loss at random times says little, because its noise is
larger than what training gains. Run twice, this one gives the same digits.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from kineograph.diffusion.objective import Objective
from kineograph.diffusion.times import ConstantShift, LogitNormal
from kineograph.recipes.stages import Validation
from kineograph.training.run import generator_draws
from kineograph.training.samples import Samples, Taken
from kineograph.types import Draws, Loss

SEED = 700_000_000  # far from every training seed
TOGETHER = 8  # clips that are looked at at once

Look = Callable[[Taken, Draws, Objective], Loss]
"""What a model's loss on some clips is."""


def equidistant(count: int) -> list[float]:
    """Times between data and noise, neither of them included."""
    return [(index + 1) / (count + 1) for index in range(count)]


def at(objective: Objective, time: float) -> Objective:
    """The objective at one time."""
    fixed = LogitNormal(mean=math.log(time / (1.0 - time)), std=0.0, shift=ConstantShift())
    return replace(objective, times=fixed)


def cells(samples: Samples, config: Validation) -> Iterator[tuple[str, list[Taken]]]:
    """Each length of each cache: its shape in pixels, and its held-out clips in batches."""
    for cache, rows in zip(samples.caches, samples.held_out, strict=True):
        for length in config.lengths:
            if length > cache.latent_frames:
                continue
            starts = range(0, len(rows), TOGETHER)
            batches = [samples.take(rows[i : i + TOGETHER], length) for i in starts]
            yield batches[0].shape, batches


def validate(
    look: Look, objective: Objective, samples: Samples, config: Validation
) -> dict[str, float]:
    """The held-out loss: its mean, of each cell of the grid, and at each time.

    Args:
        look: the model that is measured.
        objective: what it is trained on; its times are replaced.
        samples: with clips held out.
        config: the grid.
    """
    times = equidistant(config.times)
    found: dict[str, list[float]] = {f"validation/time_{time:.2f}": [] for time in times}
    with torch.no_grad():
        for shape, batches in cells(samples, config):
            for batch in batches:
                for time, name in zip(times, list(found)[: len(times)], strict=True):
                    draws = generator_draws(SEED + batch.rows[0])
                    losses = look(batch, draws, at(objective, time)).per_sample.tolist()
                    found[name] += losses
                    found.setdefault(f"validation/{shape}", []).extend(losses)
    means = {name: sum(losses) / len(losses) for name, losses in found.items() if losses}
    grid = [mean for name, mean in means.items() if "/time_" not in name]
    if not grid:
        return {}
    return {"validation": sum(grid) / len(grid), **means}
