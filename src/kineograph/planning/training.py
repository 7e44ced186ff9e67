"""Device hours and money of training.

Letters: C x F x H x W latents.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from kineograph.nn.footprint import measure, shapes_only
from kineograph.planning.forward import Builds, Reading, denoising
from kineograph.planning.machine import Machine
from kineograph.planning.report import read
from kineograph.recipes.recipe import Recipe
from kineograph.types import Autoencoder

BACKWARD = 2
"""Work of the backward pass, in forward passes."""
FORGOTTEN = 1
"""One more forward pass where activations are not kept (activation checkpointing)."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One stage of training.

    flops: of a forward pass over everything that a group of devices works on in one step;
    group: devices that share it (context parallelism), 1: each has its own; devices: in all.
    """

    name: str
    flops: float
    steps: int
    devices: int = 1
    group: int = 1
    kept: bool = False

    @property
    def work(self) -> float:
        """Operations of one group in one step."""
        return self.flops * (1 + BACKWARD + (0 if self.kept else FORGOTTEN))

    def step_seconds(self, on: Machine) -> float:
        """Seconds of a step."""
        return on.seconds(self.work) / self.group

    def device_hours(self, on: Machine) -> float:
        """Hours, times devices."""
        return self.step_seconds(on) * self.steps * self.devices / 3600

    def dollars(self, on: Machine) -> float:
        """What they cost."""
        return self.device_hours(on) * on.dollars


def denoiser_run(
    name: str,
    config: Builds,
    latents: tuple[int, int, int, int, int],
    reading: Reading,
    *,
    steps: int,
) -> Run:
    """A stage of a denoiser on one device, whose batch is latents (B, C, F, H, W)."""
    one = denoising(config, (1, *latents[1:]), reading)
    return Run(name=name, flops=float(one.flops * latents[0]), steps=steps)


def runs(recipe: Recipe) -> tuple[Run, ...]:
    """All stages of a recipe, on one device each."""
    return (*_autoencoder_runs(recipe), *_denoiser_runs(recipe))


def _autoencoder_runs(recipe: Recipe) -> list[Run]:
    found = []
    for stage in recipe.autoencoder_stages:
        with shapes_only():
            autoencoder = recipe.autoencoder.build()
            clip = stage.clips
            legal = autoencoder.nearest(clip.frames, clip.size, clip.size)
            video = torch.empty(1, 3, legal.frames, legal.height, legal.width)
            flops = measure(partial(_there_and_back, autoencoder, video)).flops
        name = f"autoencoder: {stage.name}"
        schedule = stage.schedule
        work = float(flops * schedule.batch)
        found.append(Run(name=name, flops=work, steps=schedule.steps, kept=True))
    return found


def _there_and_back(autoencoder: Autoencoder, video: Tensor) -> Tensor:
    return autoencoder.decode(autoencoder.encode(video))


def _denoiser_runs(recipe: Recipe) -> list[Run]:
    reading, clip = read(recipe.text), recipe.cache
    with shapes_only():
        autoencoder = recipe.autoencoder.build()
        legal = autoencoder.nearest(clip.frames, clip.size, clip.size)
        channels, most, rows, columns = autoencoder.latent_shape(
            legal.frames, legal.height, legal.width
        )
    found = []
    for stage in recipe.stages:
        frames = most if stage.latent_frames is None else min(most, stage.latent_frames)
        latents = (stage.schedule.batch, channels, frames, rows, columns)
        run = denoiser_run(
            f"denoiser: {stage.name}",
            recipe.denoiser,
            latents,
            reading,
            steps=stage.schedule.steps,
        )
        found.append(run)
    return found
