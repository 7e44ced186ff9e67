"""Training a denoiser, with its text encoder where that trains too, on cached latents.

Letters: B clips; C x F x H x W latents.
"""

import copy
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kineograph import recipes
from kineograph.checkpoints import files, parts
from kineograph.conditioning.facts import Facts
from kineograph.data import latents
from kineograph.data.latents import Latents
from kineograph.diffusion.process import Process
from kineograph.errors import ConfigError, NumericsError
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import Stage
from kineograph.toybox.captions import caption
from kineograph.toybox.scene import from_json
from kineograph.training import adapters, replicas
from kineograph.training import state as states
from kineograph.training.average import Average
from kineograph.training.journal import Journal, Say
from kineograph.training.optim import Optimisers
from kineograph.training.run import Run, generator_draws
from kineograph.training.weights import digest, save_part, save_recipe
from kineograph.types import Condition, Draws, Layout, Loss

LOST = "\N{HORIZONTAL ELLIPSIS}x"  # reads as one word that is in no vocabulary


class Learner(nn.Module):
    """The parts that learn together; their names begin the names of their weights."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.text = recipe.text.build()
        self.denoiser = recipe.denoiser.build()


def say_again(records: Sequence[Mapping[str, Any]], stage: Stage, draw: random.Random) -> list[str]:
    """New captions of stored scenes: other words each time, some lost, some captions empty."""
    captions = []
    for record in records:
        if draw.random() < stage.text_dropout:
            captions.append("")
            continue
        words = caption(from_json(record), draw).split()
        kept = [LOST if draw.random() < stage.words_lost else word for word in words]
        captions.append(" ".join(kept))
    return captions


class DenoiserTrainer:
    """One run of `train`, in one of several equal processes."""

    def __init__(
        self,
        recipe: Recipe,
        data: Latents,
        run: Run,
        place: replicas.Replicas,
        say: Say,
        start: Path | None = None,
    ) -> None:
        torch.manual_seed(run.seed)
        self.recipe = recipe
        self.data = data
        self.run = run
        self.place = place
        self.journal = Journal(run.folder if place.first else None, say)
        self.process = Process(
            path=recipe.path, prediction=recipe.prediction, injection=recipe.injection
        )
        self.model = Learner(recipe).to(run.device)
        if start is not None:
            adapters.begin_from(self.model, start, ("text", "denoiser"))
        if recipe.adapter is not None:
            if start is None:
                raise ConfigError("an adapter changes weights that are there; expected --start")
            self.model.requires_grad_(False)
            adapters.adapt(self.model.denoiser, recipe.adapter)
        self.process.check(self.model.denoiser)
        if recipe.controller is not None:
            raise ConfigError(
                f"controller {recipe.controller.kind!r}: expected none, because `train` does not "
                "train it: stored latents have no drawings; set controller to null"
            )
        self.stage, self.step = 0, 0
        self._begin_stage()
        self._resume()

    def train(self) -> Learner:
        """Run all stages that are left; returns the averaged model."""
        stages = self.recipe.stages
        while self.stage < len(stages):
            stage = stages[self.stage]
            while self.step < stage.schedule.steps:
                self._one_step(stage)
                self.step += 1
                if self.step % self.run.save_every == 0:
                    self._save()
            self.stage, self.step = self.stage + 1, 0
            if self.stage < len(stages):
                # The next stage starts from the average, which is ahead of the weights.
                self.model.load_state_dict(self.average.model.state_dict())
                self._begin_stage()
            self._save()
        return self.average.model

    def _one_step(self, stage: Stage) -> None:
        seed = self._seed()
        loss = self._loss(stage, random.Random(seed), generator_draws(seed))
        shown = loss.mean.item()
        if not math.isfinite(shown):
            raise NumericsError(f"{stage.name}, step {self.step}: the loss is {shown}")
        loss.mean.backward()  # type: ignore[no-untyped-call]
        norm = self.optimisers.step(self.step, self.place).norm
        self.average.update(self.model)
        numbers = {"loss": shown, "norm": norm, **by_time(loss)}
        self.journal.step(stage.name, self.step, stage.schedule.steps, numbers)

    def _loss(self, stage: Stage, choose: random.Random, draws: Draws) -> Loss:
        count = stage.schedule.batch
        rows = [choose.randrange(len(self.data.records)) for _ in range(count)]
        device = self.run.device
        frames = slice(0, stage.latent_frames)
        latents = self.data.latents[rows][:, :, frames].to(device).float()
        focus = self.data.focus[rows][:, :, frames].to(device).float() / 255
        captions = say_again([self.data.records[row] for row in rows], stage, choose)
        with torch.autocast(self.run.kind, torch.bfloat16, enabled=self.run.bfloat16):
            condition = Condition(
                text=self.model.text(captions),
                known=stage.given(latents, draws),
                facts=self._facts(latents).tensors(count, latents.device),
                layout=Layout(keep=self._keep(stage, latents, draws)),
            )
            return self.recipe.objective(
                self.model.denoiser, self.process, latents, condition, draws, focus
            )

    def _facts(self, latents: Tensor) -> Facts:
        """What is true of clips of which some latent frames are looked at, uncut and in step."""
        clips, whole = self.recipe.cache, self.data.latents.shape[2]
        share = 1.0 if whole == 1 else (latents.shape[2] - 1) / (whole - 1)
        frames = 1 + round(share * (clips.frames - 1))
        return Facts(fps=clips.fps, frames=frames, height=clips.size, width=clips.size)

    def _keep(self, stage: Stage, latents: Tensor, draws: Draws) -> Tensor | None:
        """Indices of the tokens of latents (B, C, F, H, W) that the stage keeps, (B, N')."""
        if stage.dropping is None:
            return None
        size = (latents.shape[2], latents.shape[3], latents.shape[4])
        grid = self.model.denoiser.token_grid(size)
        return stage.dropping(len(latents), grid, draws).to(latents.device)

    def _seed(self) -> int:
        """Another number for every process and step; the order of data follows from it."""
        step = self.step * self.place.count + self.place.rank
        return (self.run.seed * 100 + self.stage) * 100_000_000 + step

    def _begin_stage(self) -> None:
        stage = self.recipe.stages[min(self.stage, len(self.recipe.stages) - 1)]
        self.average = Average(self.model, stage.schedule.average)
        learning = [one for one in self.model.named_parameters() if one[1].requires_grad]
        self.optimisers = Optimisers(learning, stage.schedule)

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
        self._begin_stage()
        self.average.load_state_dict(state["average"])
        self.optimisers.load_state_dict(copy.deepcopy(state["optimisers"]))
        self.journal.say(f"going on at stage {self.stage + 1}, step {self.step}")


def by_time(loss: Loss) -> dict[str, float]:
    """The mean loss of samples with little, middling and much noise, where there are any."""
    found = {}
    for name, low, high in (("low", 0.0, 1 / 3), ("middle", 1 / 3, 2 / 3), ("high", 2 / 3, 1.01)):
        inside = (loss.time >= low) & (loss.time < high)
        if bool(inside.any()):
            found[f"loss_{name}"] = float(loss.per_sample[inside].mean())
    return found


@dataclass(frozen=True)
class Sources:
    """What a denoiser is trained on: an autoencoder's weights folder, and its cache.

    start: weights folder whose text encoder and denoiser it begins from; None: from nothing.
    """

    autoencoder: Path
    cache: Path
    start: Path | None = None


def train(recipe: Recipe, sources: Sources, run: Run, processes: int, say: Say) -> Path:
    """Train a recipe's denoiser on the latents of an autoencoder.

    Args:
        recipe: its stages are run; its autoencoder is replaced by that of the sources.
        sources: the autoencoder, and a cache made with it.
        run: where the state and, in the end, the weights folder go.
        processes: how many train side by side.
        say: takes lines of progress.

    Returns:
        The weights folder with all parts; of an adapter, its file.
    """
    resolved = replace(recipe, autoencoder=recipes.read(sources.autoencoder).autoencoder)
    replicas.run(_work, processes, resolved, sources, run, say)
    return run.folder / ("weights" if recipe.adapter is None else adapters.FILE)


def _work(place: replicas.Replicas, recipe: Recipe, sources: Sources, run: Run, say: Say) -> None:
    stored = latents.read(sources.cache, digest(sources.autoencoder, "autoencoder"))
    learner = DenoiserTrainer(recipe, stored, run, place, say, sources.start).train()
    if place.first and recipe.adapter is not None and sources.start is not None:
        found = adapters.changes(learner.denoiser, recipe.adapter)
        adapters.save(run.folder / adapters.FILE, found, recipe, digest(sources.start, "denoiser"))
    elif place.first:
        folder = run.folder / "weights"
        save_recipe(folder, recipe)
        save_part(folder, "text", learner.text)
        save_part(folder, "denoiser", learner.denoiser)
        weights = files.read(parts.find(sources.autoencoder, "autoencoder"))
        parts.write(folder, "autoencoder", weights)
