"""Training an autoencoder: draw clips, reconstruct, compare, step; discriminators in turn.

Letters: B clips, T frames of Y x X pixels, C x F x H x W latents.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kineograph.autoencoders import losses
from kineograph.autoencoders.losses_criterion import Criterion
from kineograph.autoencoders.losses_terms import Comparison, Networks
from kineograph.checkpoints import files, parts
from kineograph.checkpoints.public.perceptual import read_lpips
from kineograph.config import to_data
from kineograph.errors import ConfigError, NumericsError
from kineograph.parallel import replicas
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import AutoencoderStage, Clips, Footage
from kineograph.training import health, trackers
from kineograph.training.ahead import ahead
from kineograph.training.average import Average
from kineograph.training.clips import Batch, draw, drawn, length, told
from kineograph.training.coders import Coder
from kineograph.training.journal import Journal, Say, Tally
from kineograph.training.optim import Optimisers, unfreeze
from kineograph.training.progress import Identity, Progress
from kineograph.training.run import Run, generator_draws, halved
from kineograph.training.weights import save_part, save_recipe
from kineograph.types import Draws

HELD_OUT_SEED = 900_000_000  # far from every training seed
STATISTICS_SEED = 800_000_000


@dataclass(frozen=True)
class Order:
    """Which clips each step of a stage looks at.

    base: the stage's first seed; place: of this process; device: where clips are drawn.
    """

    stage: AutoencoderStage
    base: int
    place: replicas.Replicas
    device: str

    def seeds(self, step: int) -> range:
        """No other step and no other process has one of them."""
        size = self.stage.schedule.batch
        first = self.base + (step * self.place.count + self.place.rank) * size
        return range(first, first + size)

    def __call__(self, step: int) -> Batch:
        """The clips of a step, as long as they are in all processes."""
        frames = length(self.stage, f"{self.base} {step}")
        return drawn(self.stage.clips, self.seeds(step), device=self.device).cut(frames)


class AutoencoderTrainer:
    """One run of `train-autoencoder`, in one of several equal processes."""

    def __init__(
        self,
        model: Coder,
        stages: tuple[AutoencoderStage, ...],
        run: Run,
        place: replicas.Replicas,
        say: Say,
        networks: Networks | None = None,
    ) -> None:
        for stage in stages:
            check_lengths(model, stage)
        self.model = model.to(run.device)
        self.stages = stages
        self.run = run
        self.place = place
        self.networks = networks
        watching = trackers.build(run.track, run.folder) if place.first else []
        self.journal = Journal(run.folder if place.first else None, say, trackers=watching)
        self.average = Average(self.model, stages[0].schedule.average)
        plain = [to_data(stage) for stage in stages]
        identity = Identity({"autoencoder": to_data(model.config)}, plain)
        self.progress = Progress(identity, stages, run, place, self.journal)
        self._begin_stage()
        self.progress.resume(self)

    def train(self) -> Coder:
        """Run all stages that are left; returns the averaged model."""
        self.progress.go(self)
        return self.average.model

    def next_stage(self) -> None:
        """The next stage starts from the average, so that frozen weights agree."""
        self.model.load_state_dict(self.average.model.state_dict())
        before = self.criterion.state_dict()
        self._begin_stage()
        if self.stages[self.progress.stage].opponent.kept:
            self.criterion.load_state_dict(before)

    def one_step(self) -> None:
        """One step of the autoencoder, of the discriminator, or of both."""
        stage, step = self.stages[self.progress.stage], self.progress.step
        seeds = self.order.seeds(step)
        torch.manual_seed(seeds[0])  # for dropout, so that a run that goes on is the same
        draws = generator_draws(seeds[0], self.run.device)
        before = time.perf_counter()
        batch = next(self.batches).to(self.run.device)
        waited = time.perf_counter() - before
        turn = self.criterion.turn(step)
        with torch.set_grad_enabled(turn.generator):
            compared = self._compare(stage, batch, draws)
        numbers: dict[str, float] = {}
        if turn.generator:
            judgement = self.criterion(compared, self.model.last_layer)
            numbers |= {"loss": judgement.total.item()}
            numbers |= {name: term.item() for name, term in judgement.terms.items()}
            numbers["norm"] = self._move(judgement.total, self.optimisers, seeds)
            self.average.update(self.model)
        if turn.discriminator and (loss := self.criterion.judge(compared)) is not None:
            numbers["judge"] = loss.item()
            numbers["judge_norm"] = self._move(loss, self.judges, seeds)
        shape = f"{batch.video.shape[2]}x{stage.clips.size}x{stage.clips.size}"
        tally = Tally(waited=waited, samples={shape: len(seeds)})
        self.journal.step(stage.name, step, stage.schedule.steps, numbers, tally)

    def _compare(self, stage: AutoencoderStage, batch: Batch, draws: Draws) -> Comparison:
        """Reconstruct a batch."""
        video = batch.video.contiguous(memory_format=torch.channels_last_3d)
        # Without units for it bfloat16 is slow, and oneDNN's gradients of 3D convolutions that see
        # two frames are garbage there.
        with halved(self.run.device, self.run.bfloat16):
            found = self.model.train_forward(video, quieter(draws, stage.noise))
        more = stage.emphasis
        weight = losses.pixel_weight(
            video, batch.mask, on_mask=more.mask, on_motion=more.motion, on_path=more.path
        )
        step = self.progress.step
        done = step / stage.schedule.steps
        return Comparison(found, video, weight, step, done, draws)

    def _move(self, loss: Tensor, optimisers: Optimisers, seeds: range) -> float:
        """One step down a loss on the clips of some seeds; returns the norm of its gradients.

        Raises:
            NumericsError: the loss or a gradient is not finite; no weight has moved.
        """
        stage, step = self.stages[self.progress.stage], self.progress.step
        shown = loss.item()
        try:
            if not math.isfinite(shown):
                raise NumericsError(f"step {step}: the loss is {shown}")
            loss.backward()  # type: ignore[no-untyped-call]
            return optimisers.step(step, self.place).norm
        except NumericsError as error:
            named = ", ".join(told(stage.clips, seed) for seed in seeds[:4])
            raise NumericsError(
                f"{stage.name}, {error}; of clips {named}; the last state in {self.run.folder} is "
                "as it was"
            ) from None

    def now_and_then(self) -> None:
        """Measure the averaged model."""
        if self.place.first and self.progress.step % self.run.evaluate_every == 0:
            self.evaluate(self.stages[self.progress.stage].clips)

    def evaluate(self, clips: Clips | Footage) -> float:
        """PSNR in dB of the averaged model on 24 held-out clips, modes of the posterior."""
        seeds = range(HELD_OUT_SEED, HELD_OUT_SEED + 24)
        batch = draw(clips, seeds, held_out=True, device=self.run.device)
        found = held_out_error(self.average.model, batch)
        step = self.progress.step
        self.journal.note({"evaluation": "held-out", "step": step, **found}, step)
        return found["psnr"]

    def _begin_stage(self) -> None:
        stage = self.stages[self.progress.stage]
        self.average.decay = stage.schedule.average
        torch.manual_seed(
            self.run.seed + self.progress.stage
        )  # every process has the same discriminator
        self.criterion = Criterion(stage.terms, stage.adversary, self.networks).to(self.run.device)
        moving = unfreeze(list(self.model.named_parameters()), stage.frozen)
        self.optimisers = Optimisers([*moving, *self.criterion.learnt()], stage.schedule)
        judging = replace(
            stage.schedule,
            rate=stage.opponent.rate,
            clip=stage.opponent.clip,
            optimiser=stage.opponent.optimiser or stage.schedule.optimiser,
        )
        self.judges = Optimisers(list(self.criterion.adversaries()), judging)
        workers = self.run.workers
        self.order = Order(
            stage=stage,
            base=self.run.seed + 10_000_000 * self.progress.stage,
            place=self.place,
            device="cpu" if workers else self.run.device,
        )
        steps = range(self.progress.step, stage.schedule.steps)
        self.batches = ahead(self.order, steps, workers)

    def state_dict(self) -> dict[str, Any]:
        """Weights, their average, discriminators, and all optimisers."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": self.optimisers.state_dict(),
            "criterion": self.criterion.state_dict(),
            "judges": self.judges.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`; a stage that has not begun begins anew."""
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        if self.progress.stage == len(self.stages):
            return
        self._begin_stage()
        if self.progress.step:
            self.criterion.load_state_dict(state["criterion"])
            self.optimisers.load_state_dict(state["optimisers"])
            self.judges.load_state_dict(state["judges"])
        elif self.stages[self.progress.stage].opponent.kept:
            self.criterion.load_state_dict(state["criterion"])


def quieter(draws: Draws, share: float) -> Draws:
    """Draws in which the noise of latents, (B, C, F, H, W), is multiplied by `share`."""
    return lambda shape: draws(shape) * (share if len(shape) == 5 else 1.0)


def check_lengths(model: Coder, stage: AutoencoderStage) -> None:
    """Refuse clips that the autoencoder cannot code, before any work is done.

    Raises:
        ConfigError: naming the stage, the clip, and the nearest one that it can.
    """
    clips = stage.clips
    lengths = {clips.frames, *stage.lengths} | ({1} if stage.images else set())
    for frames in sorted(lengths):
        legal = model.nearest(frames, clips.size, clips.size)
        if (legal.frames, legal.height) != (frames, clips.size) or frames > clips.frames:
            most = f", at most {clips.frames} frames" if frames > clips.frames else ""
            raise ConfigError(
                f"stage {stage.name!r}: clips of {frames} x {clips.size} x {clips.size}: expected "
                f"{legal.rule}{most}; nearest: {legal.frames} x {legal.height} x {legal.width}"
            )


def held_out_error(model: Coder, batch: Batch) -> dict[str, float]:
    """PSNR in dB, the mean over clips: of all pixels and, where objects are known, of theirs."""
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
    return {"psnr": psnr[0], "psnr_on_object": psnr[1]} if batch.scenes else {"psnr": psnr[0]}


def train(recipe: Recipe, run: Run, processes: int, say: Say, start: Path | None = None) -> Path:
    """Train a recipe's autoencoder, or go on where the run's state stands.

    Args:
        recipe: its stages are run.
        run: where the state and, in the end, the weights folder go.
        processes: how many train side by side.
        say: takes lines of progress.
        start: weights folder whose autoencoder it begins from; None: from nothing.

    Returns:
        The weights folder: the averaged autoencoder, and the recipe with the statistics
        of its latents filled in.

    Raises:
        CheckpointError: the weights to begin with are missing, or do not fit.
    """
    replicas.run(_work, processes, recipe, run, say, start)
    return run.folder / "weights"


def _work(place: replicas.Replicas, recipe: Recipe, run: Run, say: Say, start: Path | None) -> None:
    torch.manual_seed(run.seed)
    model = recipe.autoencoder.build()
    if start is not None:
        files.load_into(model, files.read(parts.find(start, "autoencoder")))
    stages = recipe.autoencoder_stages
    lpips = read_lpips(run.lpips) if run.lpips else None
    trainer = AutoencoderTrainer(model, stages, run, place, say, Networks(lpips=lpips))
    averaged = trainer.train()
    if place.first:
        found = health.measure(averaged, stages[-1].clips, run.seed + STATISTICS_SEED)
        config = averaged.measured(found.statistics)
        save_recipe(run.folder / "weights", replace(recipe, autoencoder=config))
        save_part(run.folder / "weights", "autoencoder", averaged)
        for line in found.lines():
            say(line)
