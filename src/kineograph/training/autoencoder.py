"""Training an autoencoder: render or read clips, reconstruct, compare, step.

Letters: B clips, T frames of Y x X pixels, C x F x H x W latents.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kineograph.autoencoders import losses
from kineograph.autoencoders.wavelet_flow import WaveletFlow
from kineograph.errors import NumericsError
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import AutoencoderStage, Clips, ReconstructionLoss
from kineograph.training import replicas
from kineograph.training import state as states
from kineograph.training.average import Average
from kineograph.training.clips import draw
from kineograph.training.journal import Journal, Say
from kineograph.training.optim import Optimisers
from kineograph.training.run import Run, generator_draws
from kineograph.training.weights import save_part, save_recipe
from kineograph.types import Reconstruction

HELD_OUT_SEED = 900_000_000  # far from every training seed
STATISTICS_SEED = 800_000_000


def terms(found: Reconstruction, video: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Every term of the loss, each a mean over elements.

    Args:
        found: the reconstruction, (B, 3, T, Y, X), with posterior and wavelet parts.
        video: the truth, in the same shape.
        weight: how much each pixel counts, (B, 1, T, Y, X), mean 1.
    """
    shown = found.video.float()
    absolute = losses.absolute_error(shown, video, weight)
    latents = found.posterior.mean[0].numel()
    return {
        "squared": losses.squared_error(shown, video, weight),
        "gradient": losses.squared_edge_error(shown, video, weight),
        "absolute": absolute + losses.absolute_edge_error(shown, video, weight),
        "kl": losses.kl_divergence(found.posterior) / latents,
        "wavelet": losses.wavelet_difference(found.parts),
    }


def total(found: Mapping[str, Tensor], loss: ReconstructionLoss, done: float) -> Tensor:
    """The weighted sum of all terms when a share `done` of the stage is over."""
    start, end = loss.fade
    absolute = loss.absolute * min(1.0, max(0.0, (done - start) / (end - start)))
    return (
        loss.squared * found["squared"]
        + loss.gradient * found["gradient"]
        + absolute * found["absolute"]
        + loss.kl * found["kl"]
        + loss.wavelet * found["wavelet"]
    )


class AutoencoderTrainer:
    """One run of `train-autoencoder`, in one of several equal processes."""

    def __init__(
        self,
        model: WaveletFlow,
        stages: tuple[AutoencoderStage, ...],
        run: Run,
        place: replicas.Replicas,
        say: Say,
    ) -> None:
        self.model = model.to(run.device)
        self.stages = stages
        self.run = run
        self.place = place
        self.journal = Journal(run.folder if place.first else None, say)
        self.stage, self.step = 0, 0
        self.average = Average(self.model, stages[0].schedule.average)
        self._begin_stage()
        self._resume()

    def train(self) -> WaveletFlow:
        """Run all stages that are left; returns the averaged model."""
        while self.stage < len(self.stages):
            stage = self.stages[self.stage]
            while self.step < stage.schedule.steps:
                self._one_step(stage)
                self.step += 1
                self._now_and_then(stage)
            self.stage, self.step = self.stage + 1, 0
            if self.stage < len(self.stages):
                # The next stage starts from the average, so that frozen weights agree.
                self.model.load_state_dict(self.average.model.state_dict())
                self._begin_stage()
            self._save()
        return self.average.model

    def _one_step(self, stage: AutoencoderStage) -> None:
        size = stage.schedule.batch
        first = (self.step * self.place.count + self.place.rank) * size
        base = self.run.seed + 10_000_000 * self.stage
        batch = draw(stage.clips, range(base + first, base + first + size), device=self.run.device)
        video = batch.video.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(self.run.kind, torch.bfloat16, enabled=self.run.bfloat16):
            found = self.model.train_forward(video, generator_draws(base + first))
        weight = losses.pixel_weight(
            video, batch.mask, on_mask=stage.loss.mask, on_motion=stage.loss.motion
        )
        parts = terms(found, video, weight)
        loss = total(parts, stage.loss, self.step / stage.schedule.steps)
        shown = loss.item()
        if not math.isfinite(shown):
            raise NumericsError(f"{stage.name}, step {self.step}: the loss is {shown}")
        loss.backward()  # type: ignore[no-untyped-call]
        self.place.average(self.optimisers.gradients())
        norm = self.optimisers.step(self.step)
        self.average.update(self.model)
        numbers = {name: value.item() for name, value in parts.items()}
        self.journal.step(
            stage.name,
            self.step,
            stage.schedule.steps,
            {"loss": shown, **numbers, "norm": norm},
        )

    def _now_and_then(self, stage: AutoencoderStage) -> None:
        if self.place.first and self.step % self.run.evaluate_every == 0:
            self.evaluate(stage.clips)
        if self.step % self.run.save_every == 0:
            self._save()

    def evaluate(self, clips: Clips) -> float:
        """PSNR in dB of the averaged model on 24 held-out clips, modes of the posterior."""
        seeds = range(HELD_OUT_SEED, HELD_OUT_SEED + 24)
        batch = draw(clips, seeds, held_out=True, device=self.run.device)
        model = self.average.model
        errors, on_object = [], []
        with torch.inference_mode():
            for video, mask in zip(
                torch.split(batch.video, 4), torch.split(batch.mask, 4), strict=True
            ):
                latents = model.encode(video)
                back = model.decode(latents, frames=video.shape[2]).clamp(-1, 1)
                square = (back - video).square().mean(1, keepdim=True)
                errors.append(square.mean(dim=(1, 2, 3, 4)))
                on_object.append(
                    (square * mask).sum((1, 2, 3, 4)) / mask.sum((1, 2, 3, 4)).clamp_min(1)
                )
        psnr = [float((10 * torch.log10(4 / torch.cat(e))).mean()) for e in (errors, on_object)]
        self.journal.note(
            {
                "evaluation": "held-out",
                "step": self.step,
                "psnr": psnr[0],
                "psnr_on_object": psnr[1],
            }
        )
        return psnr[0]

    def _begin_stage(self) -> None:
        stage = self.stages[self.stage]
        self.average.decay = stage.schedule.average
        moving = []
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(not any(fnmatchcase(name, p) for p in stage.frozen))
            if parameter.requires_grad:
                moving.append((name, parameter))
        self.optimisers = Optimisers(moving, stage.schedule)

    def _save(self) -> None:
        if self.place.first:
            state: dict[str, Any] = {
                "stage": self.stage,
                "step": self.step,
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimisers": self.optimisers.state_dict(),
            }
            states.save(self.run.folder, state)
        self.place.wait()

    def _resume(self) -> None:
        state = states.load(self.run.folder)
        if state is None:
            return
        self.stage, self.step = state["stage"], state["step"]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        if self.stage < len(self.stages):
            self._begin_stage()
            if self.step:
                self.optimisers.load_state_dict(copy.deepcopy(state["optimisers"]))
        self.journal.say(f"going on at stage {self.stage + 1}, step {self.step}")


def statistics(
    model: WaveletFlow, clips: Clips, seed: int, count: int = 128
) -> tuple[Tensor, Tensor]:
    """Mean of each latent channel (C,) and one standard deviation () over `count` clips."""
    sums = []
    with torch.inference_mode():
        for start in range(seed, seed + count, 8):
            batch = draw(clips, range(start, start + 8), device=str(model.last_layer.device))
            sums.append(model.posterior(batch.video).mean.float())
    latents = torch.cat(sums)
    mean = latents.mean(dim=(0, 2, 3, 4))
    spread = (latents - mean.view(1, -1, 1, 1, 1)).std()
    return mean, spread


def train(recipe: Recipe, run: Run, processes: int, say: Say) -> Path:
    """Train a recipe's autoencoder from nothing, or go on where the run's state stands.

    Returns:
        The weights folder: the averaged autoencoder, and the recipe with the statistics
        of its latents filled in.
    """
    replicas.run(_work, processes, recipe, run, say)
    return run.folder / "weights"


def _work(place: replicas.Replicas, recipe: Recipe, run: Run, say: Say) -> None:
    torch.manual_seed(run.seed)
    model = recipe.autoencoder.build()
    averaged = AutoencoderTrainer(model, recipe.autoencoder_stages, run, place, say).train()
    if place.first:
        mean, spread = statistics(averaged, recipe.cache, run.seed + STATISTICS_SEED)
        config = replace(
            recipe.autoencoder,
            shift=tuple(mean.tolist()),
            scale=(1.0 / float(spread),) * len(mean),
        )
        save_recipe(run.folder / "weights", replace(recipe, autoencoder=config))
        save_part(run.folder / "weights", "autoencoder", averaged)
