"""From noise to latents: one window or several, which can be cancelled and gone on with.

Letters: B videos, C latent channels, F x H x W latent cells, E extra latent frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from kineograph.diffusion.sampling import Look, sample
from kineograph.generation.draft import Unfinished
from kineograph.generation.events import Cancelled, Reporter, check
from kineograph.generation.windows import Window, places
from kineograph.types import (
    Autoencoder,
    Clock,
    Draws,
    Given,
    Injection,
    Known,
    Layout,
    Sampler,
    Step,
)


class Stopped(Exception):
    """Cancelled after a step; latents (B, C, F, H, W), those of the window, and how far it is."""

    def __init__(self, latents: Tensor, running: Tensor, state: Unfinished) -> None:
        super().__init__(state)
        self.latents = latents
        self.running = running
        self.state = state


@dataclass(eq=False)
class Counted:
    """Draws that remember their shapes, so that they can be drawn up to the same place again."""

    draws: Draws
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """The next draw."""
        self.shapes.append(tuple(shape[1:]))
        return self.draws(shape)


@dataclass(frozen=True, eq=False)
class Resumed:
    """An injection whose first steps are already done."""

    inner: Injection
    x: Tensor
    done: int
    clock: ClassVar[Clock] = "sample"
    beside: ClassVar[bool] = False

    def known(self, given: Given, autoencoder: Autoencoder, draws: Draws | None) -> Known:
        """As always."""
        return self.inner.known(given, autoencoder, draws)

    def begin(self, start: Tensor, known: Known | None) -> tuple[Tensor, Layout]:
        """Where it stopped, (B, C, E + F, H, W)."""
        return self.x, self.inner.begin(start, known)[1]

    def enter(self, x: Tensor, step: Step, known: Known | None, draws: Draws) -> Tensor:
        """Nothing in the steps that are done."""
        return x if step.index < self.done else self.inner.enter(x, step, known, draws)

    def times(self, step: Step, known: Known | None) -> Step:
        """In the steps that are done, everything is held."""
        if step.index < self.done:
            return replace(step, next=step.time)
        return self.inner.times(step, known)

    def present(self, x: Tensor, step: Step, known: Known | None) -> Tensor:
        """As always."""
        return self.inner.present(x, step, known)

    def leave(self, x: Tensor, known: Known | None) -> Tensor:
        """As always."""
        return self.inner.leave(x, known)


@dataclass(frozen=True, eq=False, kw_only=True)
class Roll:
    """One run over all windows.

    look: with what is known of the whole video. schedule: the times of a window of so many
    latent frames. group, alone: how the autoencoder shares pixel frames out. show: latents ->
    small pictures.
    """

    look: Look
    sampler: Sampler
    windows: Sequence[Window]
    schedule: Callable[[int], Tensor]
    group: int
    alone: bool
    reporter: Reporter
    stage: str
    show: Callable[[Tensor], Tensor]

    def __call__(self, noise: Tensor, draws: Counted, since: Stopped | None = None) -> Tensor:
        """Denoise.

        Args:
            noise: (B, C, F, H, W).
            draws: for everything random after the noise.
            since: where an earlier run stopped; `draws` have been drawn up to there.

        Returns:
            Latents of the same shape.

        Raises:
            Stopped: the watcher or the user cancelled; holds what has been made.
            NumericsError: a value is not finite; the message names the step.
        """
        known, made = self.look.condition.known, noise.clone()
        if len(self.windows) == 1:
            return self._window(0, made, known, draws, since)
        there, strength = torch.zeros_like(noise), torch.zeros_like(noise[:, :1])
        if known is not None:
            count = known.latents.shape[2]
            there[:, :, :count], strength[:, :, :count] = known.latents, known.strength
        for index, window in enumerate(self.windows):
            span = window.span
            if since is not None and index < since.state.window:
                made[:, :, span] = since.latents[:, :, span].to(made)
            elif bool((strength[:, :, span] == 1).all()):
                made[:, :, span] = there[:, :, span]
            else:
                part = self._part(window, there[:, :, span], strength[:, :, span])
                here = since if since is not None and index == since.state.window else None
                made[:, :, span] = self._window(index, made, part, draws, here)
            there[:, :, span], strength[:, :, span] = made[:, :, span], 1.0
        return made

    def _part(self, window: Window, latents: Tensor, strength: Tensor) -> Known | None:
        """What is known in a window."""
        when = places(window, self.group, alone=self.alone)
        if when is not None:
            when = when.to(latents.device).expand(len(latents), -1)
        if when is None and not bool((strength > 0).any()):
            return None
        return Known(latents.clone(), strength.clone(), when)

    def _window(
        self, index: int, made: Tensor, known: Known | None, draws: Counted, since: Stopped | None
    ) -> Tensor:
        """One window of `made`, which holds the noise there: (B, C, F', H, W)."""
        span = self.windows[index].span
        start = made[:, :, span].clone()
        times = self.schedule(start.shape[2])
        steps, done = len(times) - 1, 0
        process, running = self.look.process, start
        if since is not None and since.state.step:
            running, done = since.running.to(start), since.state.step
            process = replace(process, injection=Resumed(process.injection, running, done))
        look = replace(
            self.look, process=process, condition=replace(self.look.condition, known=known)
        )
        drawn = len(draws.shapes)
        total = steps * len(self.windows)
        self.reporter.begin(self.stage, index * steps + done)

        def report(step: Step, x: Tensor) -> None:
            nonlocal running, done, drawn
            if step.index < done:
                return
            check(x, "denoising", index * steps + step.index + 1, total)
            running, done, drawn = x, step.index + 1, len(draws.shapes)
            self.reporter.step(self.stage, index * steps + done, total, partial(self.show, x))

        try:
            return sample(look, self.sampler, start, times, draws, report)
        except (Cancelled, KeyboardInterrupt) as reason:
            if running.shape[2] == start.shape[2]:
                made[:, :, span] = running
            state = Unfinished(window=index, step=done, drawn=tuple(draws.shapes[:drawn]))
            raise Stopped(made, running, state) from reason
