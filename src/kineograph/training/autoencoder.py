"""Training an autoencoder: draw clips, reconstruct, compare, step; discriminators in turn.

Letters: B clips, T frames of Y x X pixels, C x F x H x W latents.
"""

import copy
import math
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kineograph.autoencoders import losses
from kineograph.autoencoders.losses_criterion import Criterion
from kineograph.autoencoders.losses_terms import Comparison, Networks
from kineograph.checkpoints.public.perceptual import read_lpips
from kineograph.errors import ConfigError, NumericsError
from kineograph.nn.linear import bfloat16_units
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import AutoencoderStage, Clips, Footage
from kineograph.training import health, replicas
from kineograph.training import state as states
from kineograph.training.average import Average
from kineograph.training.clips import Batch, draw, length
from kineograph.training.coders import Coder
from kineograph.training.journal import Journal, Say
from kineograph.training.optim import Optimisers
from kineograph.training.run import Run, generator_draws
from kineograph.training.weights import save_part, save_recipe
from kineograph.types import Draws

HELD_OUT_SEED = 900_000_000  # far from every training seed
STATISTICS_SEED = 800_000_000


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
        self.journal = Journal(run.folder if place.first else None, say)
        self.stage, self.step = 0, 0
        self.average = Average(self.model, stages[0].schedule.average)
        self._begin_stage()
        self._resume()

    def train(self) -> Coder:
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
                before = self.criterion.state_dict()
                self._begin_stage()
                if self.stages[self.stage].opponent.kept:
                    self.criterion.load_state_dict(before)
            self._save()
        return self.average.model

    def _one_step(self, stage: AutoencoderStage) -> None:
        size = stage.schedule.batch
        first = (self.step * self.place.count + self.place.rank) * size
        base = self.run.seed + 10_000_000 * self.stage
        torch.manual_seed(base + first)  # for dropout, so that a run that goes on is the same
        draws = generator_draws(base + first)
        frames = length(stage, f"{base} {self.step}")
        seeds = range(base + first, base + first + size)
        batch = draw(stage.clips, seeds, device=self.run.device).cut(frames)
        turn = self.criterion.turn(self.step)
        with torch.set_grad_enabled(turn.generator):
            compared = self._compare(stage, batch, draws)
        numbers: dict[str, float] = {}
        if turn.generator:
            judgement = self.criterion(compared, self.model.last_layer)
            numbers |= {"loss": judgement.total.item()}
            numbers |= {name: term.item() for name, term in judgement.terms.items()}
            numbers["norm"] = self._move(stage, judgement.total, self.optimisers)
            self.average.update(self.model)
        if turn.discriminator and (loss := self.criterion.judge(compared)) is not None:
            numbers["judge"] = loss.item()
            numbers["judge_norm"] = self._move(stage, loss, self.judges)
        self.journal.step(stage.name, self.step, stage.schedule.steps, numbers)

    def _compare(self, stage: AutoencoderStage, batch: Batch, draws: Draws) -> Comparison:
        """Reconstruct a batch."""
        video = batch.video.contiguous(memory_format=torch.channels_last_3d)
        # Without units for it bfloat16 is slow, and oneDNN's gradients of 3D convolutions that see
        # two frames are garbage there.
        halved = self.run.bfloat16 and (self.run.kind != "cpu" or bfloat16_units())
        with torch.autocast(self.run.kind, torch.bfloat16, enabled=halved):
            found = self.model.train_forward(video, quieter(draws, stage.noise))
        weight = losses.pixel_weight(
            video, batch.mask, on_mask=stage.emphasis.mask, on_motion=stage.emphasis.motion
        )
        done = self.step / stage.schedule.steps
        return Comparison(found, video, weight, self.step, done, draws)

    def _move(self, stage: AutoencoderStage, loss: Tensor, optimisers: Optimisers) -> float:
        """One step down a loss; returns the norm of its gradients."""
        if not math.isfinite(loss.item()):
            raise NumericsError(f"{stage.name}, step {self.step}: the loss is {loss.item()}")
        loss.backward()  # type: ignore[no-untyped-call]
        return optimisers.step(self.step, self.place).norm

    def _now_and_then(self, stage: AutoencoderStage) -> None:
        if self.place.first and self.step % self.run.evaluate_every == 0:
            self.evaluate(stage.clips)
        if self.step % self.run.save_every == 0:
            self._save()

    def evaluate(self, clips: Clips | Footage) -> float:
        """PSNR in dB of the averaged model on 24 held-out clips, modes of the posterior."""
        seeds = range(HELD_OUT_SEED, HELD_OUT_SEED + 24)
        batch = draw(clips, seeds, held_out=True, device=self.run.device)
        found = held_out_error(self.average.model, batch)
        self.journal.note({"evaluation": "held-out", "step": self.step, **found})
        return found["psnr"]

    def _begin_stage(self) -> None:
        stage = self.stages[self.stage]
        self.average.decay = stage.schedule.average
        torch.manual_seed(self.run.seed + self.stage)  # every process has the same discriminator
        self.criterion = Criterion(stage.terms, stage.adversary, self.networks).to(self.run.device)
        moving = []
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(not any(fnmatchcase(name, p) for p in stage.frozen))
            if parameter.requires_grad:
                moving.append((name, parameter))
        self.optimisers = Optimisers([*moving, *self.criterion.learnt()], stage.schedule)
        judging = replace(
            stage.schedule,
            rate=stage.opponent.rate,
            clip=stage.opponent.clip,
            optimiser=stage.opponent.optimiser or stage.schedule.optimiser,
        )
        self.judges = Optimisers(list(self.criterion.adversaries()), judging)

    def _save(self) -> None:
        if self.place.first:
            state: dict[str, Any] = {
                "stage": self.stage,
                "step": self.step,
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimisers": self.optimisers.state_dict(),
                "criterion": self.criterion.state_dict(),
                "judges": self.judges.state_dict(),
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
            self.criterion.load_state_dict(state["criterion"])
            if self.step:
                self.optimisers.load_state_dict(copy.deepcopy(state["optimisers"]))
                self.judges.load_state_dict(copy.deepcopy(state["judges"]))
        self.journal.say(f"going on at stage {self.stage + 1}, step {self.step}")


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
