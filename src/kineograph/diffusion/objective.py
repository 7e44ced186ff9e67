"""The loss of a denoiser: one random time, one squared error.

Letters: B samples, C channels, F x H x W latent cells.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from kineograph.diffusion.process import Process
from kineograph.diffusion.times import LogitNormal, Times
from kineograph.diffusion.weighting import Alike, Weighting
from kineograph.types import Condition, Denoiser, Draws, Grid, Known, Loss, Step


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The mean squared error of the prediction.

    times: which times are trained on. weighting: how much each time counts. count_known:
    whether cells that are given completely count, too. count_dropped: whether cells of dropped
    tokens count, too; for denoisers that predict them nevertheless. cells_alike: whether every
    cell of the batch weighs the same, so that a sample of which more is given weighs less;
    otherwise every sample does. focus_weight: how much more the cells of interest weigh where
    little noise is left; a cell's error is multiplied by 1 + focus_weight * focus * (1 - t).
    Errors are averaged over the cells that count, not over the weights, so that a weight of 0
    changes nothing and a larger one only adds.
    """

    kind: Literal["squared_error"] = "squared_error"
    times: Times = field(default_factory=LogitNormal)
    weighting: Weighting = field(default_factory=Alike)
    count_known: bool = False
    count_dropped: bool = False
    cells_alike: bool = False
    focus_weight: float = 0.0

    def __call__(
        self,
        denoiser: Denoiser,
        process: Process,
        latents: Tensor,
        condition: Condition,
        draws: Draws,
        focus: Tensor | None = None,
    ) -> Loss:
        """Noise the latents, let the denoiser look, compare.

        Args:
            denoiser: what is trained.
            process: path, prediction and injection.
            latents: clean and normalised, (B, C, F, H, W).
            condition: what the denoiser knows; its `known` is what the injection injects.
            draws: gives the times (B,) first, then the noise (B, C, F, H, W).
            focus: where to look closely, (B, 1, F, H, W) in [0, 1]; None: nowhere.

        Returns:
            The loss; its mean is over samples, or over cells.
        """
        samples, channels = latents.shape[:2]
        time = self.times.sample(samples, draws, Grid(*latents.shape[2:])).to(latents.device)
        noise = draws(tuple(latents.shape)).to(latents)
        drawn = time.view(-1, 1, 1, 1, 1)
        step = process.injection.times(Step(0, 1, drawn, torch.zeros_like(drawn)), condition.known)
        c = process.path.at(step.time)
        x = c.alpha * latents + c.sigma * noise
        x = process.injection.present(x, step, condition.known)
        output = denoiser(x, step.time, condition)[:, :channels]
        target = process.prediction.target(latents, noise, c)
        error = (output.float() - target.float()).square().mean(1, keepdim=True)
        error = error * self.weighting(c)
        if focus is not None:
            error = error * (1.0 + self.focus_weight * focus * (1.0 - step.time))
        counted = self._counted(error, condition)
        per_sample = _mean(error, counted)
        mean = _mean(error[None], counted[None])[0] if self.cells_alike else per_sample.mean()
        return Loss(mean, per_sample.detach(), time)

    def _counted(self, error: Tensor, condition: Condition) -> Tensor:
        """1 where a cell counts and 0 elsewhere, (B, 1, F, H, W)."""
        counted = torch.ones_like(error)
        if condition.known is not None and not self.count_known:
            counted = counted * _unknown(condition.known)
        if condition.layout.valid is not None:
            counted = counted * condition.layout.valid
        if condition.layout.keep is not None and not self.count_dropped:
            counted = counted * _kept(error, condition.layout.keep, condition.layout.grid)
        return counted


def _kept(error: Tensor, keep: Tensor, grid: Grid | None) -> Tensor:
    """1 in the cells of kept tokens (B, N'), 0 in the others: (B, 1, F, H, W)."""
    tokens = grid or Grid(*error.shape[2:])
    found = error.new_zeros(len(error), tokens.size).scatter(1, keep, 1.0)
    found = found.view(len(error), 1, tokens.frames, tokens.rows, tokens.columns)
    for axis, (cells, count) in enumerate(zip(error.shape[2:], found.shape[2:], strict=True), 2):
        found = found.repeat_interleave(cells // count, axis)
    return found


def _unknown(known: Known) -> Tensor:
    """True where some of a cell is not given, (B, 1, F, H, W)."""
    return known.strength.amin(1, keepdim=True) < 1.0


def _mean(error: Tensor, counted: Tensor) -> Tensor:
    """The mean over the cells that count, (B, ...) -> (B,); 0 where none does."""
    return (error * counted).flatten(1).sum(1) / counted.flatten(1).sum(1).clamp_min(1.0)
