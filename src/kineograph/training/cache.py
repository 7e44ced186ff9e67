"""Making a cache: render clips, encode them, store latents and scenes, shard by shard.

A shard is written whole or not at all, so a run that is stopped goes on where it stood.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from kineograph.data.latents import Latents, count_clips, describe, write_shard
from kineograph.parallel.replicas import Replicas, run
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import Clips
from kineograph.toybox.scene import to_json
from kineograph.training.ahead import ahead
from kineograph.training.clips import Batch, drawn
from kineograph.training.journal import Say
from kineograph.training.run import halved
from kineograph.training.weights import digest, load_autoencoder
from kineograph.types import Autoencoder

SHARD = 500  # clips
TOGETHER = 10  # clips that are encoded at once


@dataclass(frozen=True)
class Plan:
    """How many clips go where, the scene seed of the first one, and what computes.

    workers: processes that render for the one that encodes; 0: that one renders itself.
    """

    folder: Path
    clips: int
    seed: int
    device: str = "cpu"
    workers: int = 0


def make(recipe: Recipe, weights: Path, plan: Plan, processes: int, say: Say) -> None:
    """Make or complete a cache.

    Args:
        recipe: its `cache` says which clips.
        weights: folder with the autoencoder that encodes.
        plan: where to, how many, which.
        processes: how many work side by side.
        say: takes lines of progress.

    Raises:
        DataError: the folder holds a cache that was made otherwise.
    """
    clips = recipe.cache
    description = {
        "autoencoder": digest(weights, "autoencoder"),
        "level": clips.level,
        "frames": clips.frames,
        "size": clips.size,
        "fps": clips.fps,
        "seed": plan.seed,
    }
    describe(plan.folder, description)
    run(_work, processes, recipe, weights, plan, say)


def _work(replicas: Replicas, recipe: Recipe, weights: Path, plan: Plan, say: Say) -> None:
    autoencoder = load_autoencoder(weights).to(plan.device)
    every = [range(plan.clips)[at : at + SHARD] for at in range(0, plan.clips, SHARD)]
    shards = [
        (number, shard)
        for number, shard in enumerate(every)
        if number % replicas.count == replicas.rank
        and count_clips(plan.folder, number) < len(shard)
    ]
    pieces = [piece for _, shard in shards for piece in together(shard)]
    device = "cpu" if plan.workers else plan.device
    draw = partial(_drawn, recipe.cache, plan.seed, device)
    batches = ahead(draw, pieces, plan.workers)
    for number, shard in shards:
        some = islice(batches, len(together(shard)))
        write_shard(plan.folder, number, encode(some, autoencoder, plan.device))
        say(f"clips {shard.start} to {shard.stop} of {plan.clips}")


def together(numbers: range) -> list[range]:
    """As many at once as are encoded at once."""
    return [numbers[start : start + TOGETHER] for start in range(0, len(numbers), TOGETHER)]


def _drawn(clips: Clips, seed: int, device: str, numbers: range) -> Batch:
    return drawn(clips, range(seed + numbers.start, seed + numbers.stop), device=device)


def encode(batches: Iterable[Batch], autoencoder: Autoencoder, device: str = "cpu") -> Latents:
    """Encode clips; the mode of each posterior is kept."""
    latents, focus, records = [], [], []
    for batch in (one.to(device) for one in batches):
        with torch.inference_mode(), halved(device):
            found = autoencoder.encode(batch.video)
        latents.append(found.to("cpu", torch.bfloat16))
        size = (found.shape[2], found.shape[3], found.shape[4])
        focus.append(cover(batch.mask, size).cpu())
        records += [to_json(scene) for scene in batch.scenes]
    return Latents(torch.cat(latents), torch.cat(focus), tuple(records))


def cover(mask: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """How much of each latent cell an object covers at any moment of the cell.

    Args:
        mask: (B, 1, T, Y, X), with T = 1 + k (F - 1).
        grid: F, H, W.

    Returns:
        (B, 1, F, H, W) in [0, 1].
    """
    first = functional.adaptive_avg_pool3d(mask[:, :, :1], (1, *grid[1:]))
    if grid[0] == 1:
        return first
    small = functional.adaptive_avg_pool3d(mask[:, :, 1:], (mask.shape[2] - 1, *grid[1:]))
    later = functional.adaptive_max_pool3d(small, (grid[0] - 1, *grid[1:]))
    return torch.cat([first, later], 2)
