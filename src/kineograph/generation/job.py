"""The pieces of one generation: encode what is given, denoise, put given pixels back.

Letters: B videos, C latent channels, F x H x W latent cells, T frames of Y x X pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from kineograph.conditioning.injections import evenly
from kineograph.diffusion.sampling import Look
from kineograph.errors import ConfigError, KineographError
from kineograph.generation.draft import Draft, Info
from kineograph.generation.events import Reporter, check
from kineograph.generation.given import LOOP
from kineograph.generation.load import Parts
from kineograph.generation.preview import Preview, fit
from kineograph.generation.request import Request, Shape, gather
from kineograph.generation.run import Counted, Roll, Stopped
from kineograph.generation.windows import TAIL, Window, windows
from kineograph.types import Given, Grid, Known, seeded


class Interrupted(KineographError):
    """A generation was cancelled; `drafts` can be saved, decoded as they are, or gone on with."""

    def __init__(self, drafts: tuple[Draft, ...]) -> None:
        super().__init__("cancelled; what has been made so far can be gone on with")
        self.drafts = drafts


def unfinished(stop: Stopped, infos: Sequence[Info]) -> tuple[Draft, ...]:
    """A cancelled batch as one draft for each video."""
    triples = zip(stop.latents.cpu(), stop.running.cpu(), infos, strict=True)
    return tuple(Draft(latents, info, stop.state, running) for latents, running, info in triples)


@dataclass(frozen=True, eq=False)
class Task:
    """What is given, of one video, and what the injection made of it, for all of a batch."""

    given: Given | None
    known: Known | None


def encode(request: Request, clip: Shape, parts: Parts, samples: int, report: Reporter) -> Task:
    """What the injection makes of given pictures and videos.

    Raises:
        ConfigError: they do not fit into the clip, or the model cannot take them.
    """
    injection, device = parts.recipe.injection, parts.place.device
    given, notes = gather(request, clip, parts.autoencoder)
    for note in notes:
        report.note("plan", note)
    if given is None and not injection.beside:
        return Task(None, None)
    if given is None:  # the denoiser reads that nothing is given
        video = torch.zeros(1, 3, clip.frames, clip.height, clip.width)
        given = Given(video, torch.zeros_like(video[:, :1]))
    given = Given(given.frames.to(device), given.strength.to(device))
    draws = None if request.strength == 1.0 else seeded([0], device)  # the same for every batch
    known = injection.known(given, parts.autoencoder, draws)
    check(known.latents, "encoding what is given", 1, 1)
    report.step("image", 1, 1)
    return Task(
        given,
        Known(
            known.latents.expand(samples, -1, -1, -1, -1),
            known.strength.expand(samples, -1, -1, -1, -1),
            None if known.when is None else known.when.expand(samples, -1),
            known.partly,
        ),
    )


def settle(task: Task, latents: Tensor, parts: Parts, report: Reporter) -> Tensor:
    """Put given pixels back where a latent frame was only known in part.

    The video is decoded, given frames take their places, and those latent frames are encoded
    again; all others stay as they are, (B, C, F, H, W).
    """
    if task.given is None or task.known is None or task.known.partly is None:
        return latents
    kept = task.given.strength.amin((3, 4), keepdim=True) == 1.0
    if not bool(kept.any()):
        return latents
    found = []
    for one in latents.unbind(0):
        video = parts.autoencoder.decode(
            one[None], task.given.frames.shape[2], seeded([0], parts.place.device)
        )
        video = torch.where(kept, task.given.frames, video.clamp(-1.0, 1.0).to(task.given.frames))
        found.append(torch.where(task.known.partly, parts.autoencoder.encode(video), one[None]))
    result = torch.cat(found).to(latents)
    check(result, "putting given frames back", 1, 1)
    report.step("settle", 1, 1)
    return result


@dataclass(frozen=True, eq=False)
class Job:
    """One batch: what is asked for, in which shape, from which seeds."""

    parts: Parts
    request: Request
    clip: Shape
    seeds: Sequence[int]
    report: Reporter

    def denoise(self, look: Look, since: Draft | None) -> Tensor:
        """Noise -> latents (B, C, F, H, W).

        Raises:
            ConfigError: the model cannot make a video of this length, or a loop.
            Stopped: cancelled.
        """
        recipe, device = self.parts.recipe, self.parts.place.device
        channels, count, rows, columns = self.cells(self.clip.frames)
        loop = self.request.task == LOOP
        plan = self.windows(look, count, loop=loop)
        draws = Counted(seeded(self.seeds, device))
        noise = draws((len(self.seeds), channels, count + loop * TAIL, rows, columns))
        stop = None
        if since is not None and since.unfinished is not None and since.running is not None:
            stop = Stopped(since.latents[None], since.running[None], since.unfinished)
            for shape in since.unfinished.drawn[len(draws.shapes) :]:
                draws((len(self.seeds), *shape))
        steps = self.request.steps or recipe.sampling.steps
        even = evenly(self.clip.frames, count)
        roll = Roll(
            look=look,
            sampler=recipe.sampling.sampler,
            windows=plan,
            schedule=lambda frames: recipe.sampling.schedule(steps, Grid(frames, rows, columns)),
            group=self.clip.frames // count if even else (self.clip.frames - 1) // (count - 1),
            alone=not even,
            loop=loop,
            reporter=self.report,
            show=self.show,
        )
        return roll(noise, draws, stop)[:, :, :count]

    def windows(self, look: Look, count: int, *, loop: bool) -> tuple[Window, ...]:
        """All latent frames at once, or windows of what the model was trained on."""
        known, recipe = look.condition.known, self.parts.recipe
        size = self.cells(recipe.sampling.frames)[1]
        whole = recipe.injection.beside or look.condition.inside.features
        if whole or (known is not None and known.when is not None) or size == 1:
            if loop:
                raise ConfigError(
                    f"a loop with injection {recipe.injection.kind!r}: expected one that holds "
                    "latent frames, such as 'held_frames', and neither extra key frames nor a "
                    "signal"
                )
            return (Window(0, count),)
        return windows(count, size, loop=loop)

    def cells(self, frames: int) -> tuple[int, int, int, int]:
        """(C, F, H, W) of so many frames."""
        return self.parts.autoencoder.latent_shape(frames, self.clip.height, self.clip.width)

    def show(self, latents: Tensor) -> Tensor:
        """Latents (B, C, F, H, W) -> small pictures, uint8 (B, F, H, W, 3)."""
        return self.preview(latents)

    @cached_property
    def preview(self) -> Preview:
        """The map from latents to colours, fitted when it is first looked at."""
        sampling = self.parts.recipe.sampling
        place = self.parts.place
        return fit(self.parts.autoencoder, sampling.height, sampling.width, place.device)
