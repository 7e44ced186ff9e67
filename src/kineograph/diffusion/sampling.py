"""The loop that turns noise into latents; the same for every system.

Letters: B samples, C channels, F x H x W latent cells, S steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kineograph.diffusion.process import Process
from kineograph.types import (
    Condition,
    Denoiser,
    Draws,
    Estimate,
    Guidance,
    Sampler,
    Seen,
    Step,
    TextEmbedding,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Look:
    """One look at noisy latents: every branch of the guidance as one batch, then combined."""

    denoiser: Denoiser
    process: Process
    guidance: Guidance
    condition: Condition
    empty: TextEmbedding

    def __call__(self, x: Tensor, step: Step) -> Estimate:
        """(B, C, F, H, W) at `step.time` -> what its data and its noise probably are."""
        channels = x.shape[1]
        injection = self.process.injection
        branches = self.guidance.branches(self.condition, self.empty, step)
        views = torch.cat([injection.present(x, step, branch.known) for branch in branches])
        time = step.time.expand(len(x), *step.time.shape[1:]).repeat(len(branches), 1, 1, 1, 1)
        raw = self.denoiser(views, time, branches[0].stack(*branches[1:]))[:, :channels]
        outputs = raw.float().chunk(len(branches))
        output = self.guidance.combine(outputs, step, self.condition)
        return self.process.prediction.split(output, x, self.process.path.at(step.time))


class History:
    """Passes the looks of one run on and remembers the first one of each step."""

    def __init__(self, look: Callable[[Tensor, Step], Estimate]) -> None:
        self.look = look
        self.first: Seen | None = None

    def __call__(self, x: Tensor, step: Step) -> Estimate:
        """(B, C, F, H, W) at `step.time` -> what its data and its noise probably are."""
        found = self.look(x, step)
        if self.first is None:
            self.first = Seen(step.time, found.data)
        return found

    def turn(self) -> Seen | None:
        """What the step that ends saw first; another one begins."""
        seen, self.first = self.first, None
        return seen


def sample(
    look: Look,
    sampler: Sampler,
    start: Tensor,
    times: Tensor,
    draws: Draws,
    watch: Callable[[Step, Tensor], None] = lambda step, x: None,
) -> Tensor:
    """Follow the path from noise to data.

    Args:
        look: denoiser, guidance and condition.
        sampler: the rule of one step.
        start: normal noise, (B, C, F, H, W).
        times: falling, (S + 1,), or (S + 1, B) where samples differ; the last one 0.
        draws: further noise, for samplers and injections that ask for it.
        watch: called after each step with the step and the latents (B, C, F, H, W).

    Returns:
        Latents, (B, C, F, H, W).
    """
    injection, path = look.process.injection, look.process.path
    known = look.condition.known
    x, layout = injection.begin(start, known)
    look = replace(look, condition=replace(look.condition, layout=layout))
    grid = times.to(x).reshape(len(times), -1, 1, 1, 1, 1)
    count, history = len(times) - 1, History(look)
    for index in range(count):
        step = Step(index, count, grid[index], grid[index + 1], history.turn())
        x = injection.enter(x, step, known, draws)
        step = injection.times(step, known)
        held = step.next == step.time
        if not bool(held.all()):
            x = torch.where(held, x, sampler(x, history, step, path, draws))
        watch(step, x)
    return injection.leave(x, known)
