"""A run that is killed without warning, again and again, ends as one that never was."""

import multiprocessing
import random
import time
from dataclasses import replace
from pathlib import Path

import torch

from kineograph.checkpoints import files
from kineograph.data.latents import Latents
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.training.denoiser import DenoiserTrainer, Material
from kineograph.training.run import Run
from kineograph.training.samples import Cached
from kineograph.training.state import FOLDER

KILLS = 3
CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload(["kineograph.training.denoiser"])


def work(recipe: Recipe, stored: Latents, folder: Path) -> None:
    """What the process does that is killed: train to the end, saving after every step."""
    torch.set_num_threads(1)
    run = Run(folder=folder, save_every=1)
    material = Material((Cached.of(stored, recipe.cache),))
    learner = DenoiserTrainer(recipe, material, run, Replicas(), lambda _: None).train()
    files.write(folder / "end.safetensors", dict(learner.state_dict()), {})


def started(recipe: Recipe, stored: Latents, folder: Path) -> multiprocessing.Process:
    process = CLEAN.Process(target=work, args=(recipe, stored, folder))
    process.start()
    return process


def states(folder: Path) -> int:
    """How far a run has come: the number of its newest state."""
    found = [path.name for path in (folder / FOLDER).glob("*") if path.name.isdecimal()]
    return max(map(int, found), default=0)


def test_a_run_that_is_killed_ends_with_the_same_weights(recipe, stored, tmp_path):
    long = tuple(
        replace(stage, schedule=replace(stage.schedule, steps=6)) for stage in recipe.stages
    )
    recipe = replace(recipe, stages=long)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    started(recipe, stored, straight).join()

    draw = random.Random(0)
    for kill in range(KILLS):
        process = started(recipe, stored, killed)
        while states(killed) <= 2 * kill and process.is_alive():
            time.sleep(0.005)
        time.sleep(0.1 * draw.random())  # in the middle of whatever comes next
        process.kill()
        process.join()
        assert process.exitcode == -9 and not (killed / "end.safetensors").exists()
    process = started(recipe, stored, killed)
    process.join()
    assert process.exitcode == 0

    end, other = (files.read(folder / "end.safetensors") for folder in (straight, killed))
    assert end.keys() == other.keys()
    assert all(torch.equal(end[name], other[name]) for name in end)
