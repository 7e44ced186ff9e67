"""Training a denoiser, with its text encoder where that learns too, on cached latents.

Letters: B clips; C x F x H x W latents.
"""

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kineograph.conditioning.facts import Facts
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.process import Process
from kineograph.errors import ConfigError, NumericsError
from kineograph.media.encode import write_video
from kineograph.parallel.recompute import blocks_of
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import Stage
from kineograph.training import adapters, trackers
from kineograph.training.average import Average
from kineograph.training.captions import lost_word, say_again
from kineograph.training.giving import giving
from kineograph.training.journal import Journal, Say, Tally
from kineograph.training.learner import Encoder, Learner, read
from kineograph.training.optim import Moved, Optimisers, unfreeze
from kineograph.training.progress import Identity, Progress
from kineograph.training.run import Run, generator_draws, halved
from kineograph.training.samples import Cached, Samples, Taken
from kineograph.training.source import Anyhow, Bucketed, Source
from kineograph.training.validation import SEED, validate
from kineograph.types import Autoencoder, Condition, Draws, Layout, Loss

PARTS = (
    "autoencoder",
    "text",
    "denoiser",
    "adapter",
    "path",
    "prediction",
    "objective",
    "injection",
    "cache",
)
"""The roles of a recipe that a run cannot change once it has begun."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A video that a model made, uint8 (T, Y, X, 3), and what it shows."""

    name: str
    frames: Tensor
    fps: float


@dataclass(frozen=True)
class Material:
    """What a denoiser is trained on and begins with.

    caches: the clips. text: the encoder of the captions where it does not learn. start: weights
    folder to begin from. show: makes videos with the averaged model, now and then. autoencoder:
    the one that made the caches, where a stage gives frames in pixels.
    """

    caches: tuple[Cached, ...]
    text: Encoder | None = None
    start: Path | None = None
    show: Callable[[Learner], Sequence[Shown]] | None = None
    autoencoder: Autoencoder | None = None


@dataclass(frozen=True)
class Aim:
    """What a model is measured by: an objective, where to look closely, what the model sees."""

    objective: Objective
    focus: Tensor | None = None
    layout: Layout = field(default_factory=Layout)


class DenoiserTrainer:
    """One run of `train`, in one of several equal processes."""

    def __init__(
        self, recipe: Recipe, material: Material, run: Run, place: Replicas, say: Say
    ) -> None:
        torch.manual_seed(run.seed)
        self.recipe, self.material, self.run, self.place = recipe, material, run, place
        held = [one.validation.clips for one in recipe.stages if one.validation is not None]
        self.samples = Samples(material.caches, max(held, default=0))
        watching = trackers.build(run.track, run.folder) if place.first else []
        self.journal = Journal(run.folder if place.first else None, say, trackers=watching)
        self.process = Process(
            path=recipe.path, prediction=recipe.prediction, injection=recipe.injection
        )
        self.model = built(recipe, material, run)
        self.process.check(self.model.denoiser)
        named = list(self.model.named_parameters())
        self.movable = [(name, weight) for name, weight in named if weight.requires_grad]
        self.lost = lost_word(self._text(self.model))
        identity = Identity.of(recipe, PARTS, "stages")
        self.progress = Progress(identity, recipe.stages, run, place, self.journal)
        self._begin_stage()
        if not self.progress.resume(self) and self.stage.parents is not None:
            self._inherit()

    @property
    def stage(self) -> Stage:
        """The stage that the run is in; at its end the last one."""
        return self.recipe.stages[min(self.progress.stage, len(self.recipe.stages) - 1)]

    def train(self) -> Learner:
        """Run all stages that are left; returns the averaged model."""
        self.progress.go(self)
        return self.average.model

    def one_step(self) -> None:
        """Look at a batch, or at several; move once."""
        stage, step = self.stage, self.progress.step
        losses: list[Loss] = []
        taken: list[Taken] = []
        waited = 0.0
        for part in range(stage.schedule.accumulate):
            seed = self._seed(part)
            torch.manual_seed(seed)  # for dropout, so that a run that goes on is the same
            choose, draws = random.Random(seed), generator_draws(seed, self.run.device)
            before = time.perf_counter()
            taken.append(self.source.take(choose))
            waited += time.perf_counter() - before
            losses.append(self.loss(taken[-1], choose, draws))
            self.check(taken[-1], losses[-1])
            share = losses[-1].mean / stage.schedule.accumulate
            share.backward()  # type: ignore[no-untyped-call]
        moved = self.move(taken)
        self.average.update(self.model)
        loss = together(losses)
        numbers = {"loss": loss.mean.item(), "norm": moved.norm, **moved.curves, **by_time(loss)}
        tally = Tally(
            tokens=sum(self._tokens(one) for one in taken),
            waited=waited,
            samples=Counter(one.shape for one in taken for _ in one.rows),
        )
        self.journal.step(stage.name, step, stage.schedule.steps, numbers, tally)

    def now_and_then(self) -> None:
        """Measure and show the averaged model; the other processes wait."""
        if self.progress.step % self.run.evaluate_every:
            return
        if self.place.first:
            self.validate()
            self._show()
        self.place.wait()

    def next_stage(self) -> None:
        """The next stage starts from the average, which is ahead of the weights."""
        self.model.load_state_dict(self.average.model.state_dict())
        self._inherit()

    def state_dict(self) -> dict[str, Any]:
        """Weights, their average, optimisers, and where the data stand."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": self.optimisers.state_dict(),
            "source": self.source.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`; a stage that has not begun begins anew."""
        if self.progress.stage:
            self._begin_stage()
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        if self.progress.step:
            self.optimisers.load_state_dict(state["optimisers"])
            self.source.load_state_dict(state["source"])

    def loss(self, taken: Taken, choose: random.Random, draws: Draws) -> Loss:
        """What the model that learns makes of some clips.

        Args:
            taken: the clips.
            choose: decides on captions.
            draws: on everything else.
        """
        captions = say_again(taken.records, self.stage, choose, self.lost)
        focus = taken.focus.to(self.run.device)
        aim = Aim(self.recipe.objective, focus, self._layout(taken.latents, draws))
        return self._look(self.model, taken, captions, draws, aim)

    def validate(self) -> dict[str, float]:
        """The held-out loss of the averaged model; written to the journal."""
        config = self.stage.validation
        if config is None:
            return {}

        said = replace(self.stage, text_dropout=0.0, words_lost=0.0)

        def look(taken: Taken, draws: Draws, objective: Objective) -> Loss:
            captions = say_again(taken.records, said, random.Random(SEED), self.lost)
            return self._look(self.average.model, taken, captions, draws, Aim(objective))

        found = validate(look, self.recipe.objective, self.samples, config)
        step = self.progress.step
        self.journal.note({"evaluation": self.stage.name, "step": step, **found}, step)
        return found

    def check(self, taken: Taken, loss: Loss) -> None:
        """Stop a run before a loss that is not finite moves a weight.

        Raises:
            NumericsError: naming the stage, the step and the clips.
        """
        shown = loss.mean.item()
        if math.isfinite(shown):
            return
        finite = loss.per_sample.isfinite().tolist()
        bad = [row for row, good in zip(taken.rows, finite, strict=True) if not good]
        clips = ", ".join(self.samples.name(row) for row in bad[:4] or taken.rows[:4])
        raise NumericsError(
            f"{self.stage.name}, step {self.progress.step}: the loss is {shown}; of clips {clips}; "
            f"the last state in {self.run.folder} is as it was"
        )

    def move(self, taken: Sequence[Taken]) -> Moved:
        """One step of the optimisers.

        Raises:
            NumericsError: a gradient is not finite; it names the clips.
        """
        try:
            return self.optimisers.step(self.progress.step, self.place)
        except NumericsError as error:
            rows = [row for one in taken for row in one.rows]
            clips = ", ".join(self.samples.name(row) for row in rows[:4])
            raise NumericsError(f"{self.stage.name}, {error}; of clips {clips}") from None

    def _look(
        self,
        model: Learner,
        taken: Taken,
        captions: Sequence[str],
        draws: Draws,
        aim: Aim,
    ) -> Loss:
        """The loss of a model on clips with captions; what is given is drawn first."""
        latents = taken.latents.to(self.run.device)
        when = None if taken.when is None else taken.when.to(self.run.device)
        with halved(self.run.device, self.run.bfloat16):
            condition = Condition(
                text=read(self._text(model), captions),
                known=self.giving(taken, latents, draws),
                facts=taken.facts.tensors(len(latents), latents.device),
                layout=replace(aim.layout, when=when),
            )
            return aim.objective(model.denoiser, self.process, latents, condition, draws, aim.focus)

    def _text(self, model: Learner) -> Encoder:
        text = self.material.text if model.text is None else model.text
        if text is None:
            raise ConfigError(
                f"text encoder {self.recipe.text.kind!r} is not trained: expected its weights, "
                "see --text FOLDER"
            )
        return text

    def _layout(self, latents: Tensor, draws: Draws) -> Layout:
        """Which tokens of latents (B, C, F, H, W) the stage keeps."""
        if self.stage.dropping is None:
            return Layout()
        size = (latents.shape[2], latents.shape[3], latents.shape[4])
        grid = self.model.denoiser.token_grid(size)
        keep = self.stage.dropping(len(latents), grid, draws)
        return Layout(keep=keep.to(self.run.device), grid=grid)

    def _tokens(self, taken: Taken) -> int:
        """How many tokens of clips a denoiser looks at, kept or dropped."""
        facts: Facts = taken.facts
        side = self.recipe.sampling.multiple
        places = -(-facts.height // side) * -(-facts.width // side)
        return len(taken.rows) * taken.latents.shape[2] * places

    def _seed(self, part: int = 0) -> int:
        """Another number for every process, step and batch; the data follow from it."""
        batch = self.progress.step * self.stage.schedule.accumulate + part
        step = batch * self.place.count + self.place.rank
        return (self.run.seed * 100 + self.progress.stage) * 100_000_000 + step

    def _begin_stage(self) -> None:
        stage = self.stage
        self.average = Average(self.model, stage.schedule.average)
        self.optimisers = Optimisers(unfreeze(self.movable, stage.frozen), stage.schedule)
        self.giving = giving(stage, self.recipe, self.material.autoencoder)
        self.samples.pixels = self.giving.pixels
        self.source: Source = Anyhow(self.samples, stage)
        if stage.buckets is not None:
            seed = self.run.seed * 100 + self.progress.stage
            self.source = Bucketed(
                self.samples, stage, stage.buckets, seed, self.place, self.journal.say
            )

    def _inherit(self) -> None:
        """Begin a stage that no state knows, with its parents' weights where it has some."""
        if self.stage.parents is not None:
            self.model.inherit(self.stage.parents)
        self._begin_stage()

    def _show(self) -> None:
        if self.material.show is None:
            return
        step = self.journal.before + self.progress.step
        for number, shown in enumerate(self.material.show(self.average.model)):
            path = self.run.folder / "samples" / f"{step:08d}-{number}.mp4"
            write_video(path, shown.frames, shown.fps)
            self.journal.note({"sample": shown.name, "file": str(path)}, self.progress.step)
            for tracker in self.journal.trackers:
                tracker.video(step, f"samples/{number}", shown.frames, shown.fps)


def built(recipe: Recipe, material: Material, run: Run) -> Learner:
    """The model that learns, with the weights that it begins with.

    Raises:
        ConfigError: the recipe has something that cannot be trained.
        CheckpointError: the weights to begin with are missing, or do not fit.
    """
    if recipe.controller is not None:
        raise ConfigError(
            f"controller {recipe.controller.kind!r}: expected none, because `train` does not "
            "train it: stored latents have no drawings; set controller to null"
        )
    model = Learner(recipe).to(run.device)
    if material.start is not None:
        model.begin_from(material.start)
    if recipe.adapter is not None:
        if material.start is None:
            raise ConfigError("an adapter changes weights that are there; expected --start")
        model.requires_grad_(False)
        adapters.adapt(model.denoiser, recipe.adapter)
    run.recompute.apply(blocks_of(model.denoiser))
    return model


def together(losses: Sequence[Loss]) -> Loss:
    """The loss of several batches that make one step."""
    return Loss(
        mean=torch.stack([loss.mean.detach() for loss in losses]).mean(),
        per_sample=torch.cat([loss.per_sample for loss in losses]),
        time=torch.cat([loss.time for loss in losses]),
    )


def by_time(loss: Loss) -> dict[str, float]:
    """The mean loss of samples with little, middling and much noise, where there are any."""
    found = {}
    for name, low, high in (("low", 0.0, 1 / 3), ("middle", 1 / 3, 2 / 3), ("high", 2 / 3, 1.01)):
        inside = (loss.time >= low) & (loss.time < high)
        if bool(inside.any()):
            found[f"loss_{name}"] = float(loss.per_sample[inside].mean())
    return found
