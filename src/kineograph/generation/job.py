"""The pieces of one generation: encode what is given, denoise, put given pixels back.

Letters: B videos, C latent channels, F x H x W latent cells, T frames of Y x X pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from kineograph.conditioning.facts import Facts
from kineograph.conditioning.injections import evenly, soften
from kineograph.diffusion.sampling import Look
from kineograph.errors import ConfigError
from kineograph.generation.draft import Draft, Info
from kineograph.generation.events import Reporter, check
from kineograph.generation.load import Parts
from kineograph.generation.preview import Preview, fit
from kineograph.generation.request import Request, Shape, gather
from kineograph.generation.run import Counted, Roll, Stopped
from kineograph.generation.windows import Window, windows
from kineograph.types import Given, Grid, Known, seeded


class Interrupted(KeyboardInterrupt):
    """A generation was cancelled; `drafts` can be saved, decoded as they are, or gone on with.

    drafts: one for each prompt; none where nothing has been made yet.
    """

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


def encode(
    request: Request,
    clip: Shape,
    parts: Parts,
    samples: int,
    report: Reporter,
    first: Tensor | None = None,
) -> Task:
    """What the injection makes of given pictures and videos.

    Args:
        request: what is given.
        clip: the shape of the video.
        parts: the model.
        samples: B.
        report: is told of it.
        first: pictures that were made for a loop to begin and end with, (B, 3, 1, Y, X).

    Raises:
        ConfigError: they do not fit into the clip, or the model cannot take them.
    """
    injection, device = parts.recipe.injection, parts.place.device
    given, notes = gather(request, clip, parts.autoencoder, first)
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
    if not injection.beside and known.when is None:
        refuse_ignored(given, known)
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


def knowing(look: Look, known: Known | None, clip: Shape) -> Look:
    """A look that knows something of a clip, and the clip's facts."""
    told = Facts(fps=clip.fps, frames=clip.frames, height=clip.height, width=clip.width)
    tokens = look.condition.text.tokens
    facts = told.tensors(len(tokens), tokens.device)
    return replace(look, condition=replace(look.condition, known=known, facts=facts))


def refuse_ignored(given: Given, known: Known) -> None:
    """Make sure that no given frame is ignored because its latent frame is not given completely.

    Raises:
        ConfigError: one is.
    """
    ignored = soften(given.strength, known.strength, 1.0)[1]
    if ignored is not None:
        cells = ignored[0].flatten().nonzero().flatten().tolist()
        raise ConfigError(
            f"latent frames {cells} are given in part only, and this model's injection knows "
            "whole ones; expected the first frame, or all frames up to some point; or let it fill "
            "the gaps: --set injection.filling.kind=filled"
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
    for row, one in enumerate(torch.split(latents, 1)):
        here = slice(row, row + 1) if len(kept) > 1 else slice(0, 1)  # one task for all, or each
        pixels = task.given.frames[here]
        draws = seeded([0], parts.place.device)
        video = parts.autoencoder.decode(one, pixels.shape[2], draws).clamp(-1.0, 1.0)
        again = parts.autoencoder.encode(torch.where(kept[here], pixels, video.to(pixels)))
        found.append(torch.where(task.known.partly[here], again, one))
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
    stage: str = "denoise"

    def denoise(self, look: Look, since: Draft | None) -> Tensor:
        """Noise -> latents (B, C, F, H, W).

        Raises:
            Stopped: cancelled.
        """
        recipe, device = self.parts.recipe, self.parts.place.device
        channels, count, rows, columns = self.cells(self.clip.frames)
        plan = self.windows(look, count)
        draws = Counted(seeded(self.seeds, device))
        noise = draws((len(self.seeds), channels, count, rows, columns))
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
            reporter=self.report,
            stage=self.stage,
            show=self.show,
        )
        return roll(noise, draws, stop)

    def windows(self, look: Look, count: int) -> tuple[Window, ...]:
        """All latent frames at once, or windows of what the model was trained on."""
        known, recipe = look.condition.known, self.parts.recipe
        size = self.cells(recipe.sampling.frames)[1]
        extra = known is not None and known.when is not None
        if recipe.injection.beside or extra or look.condition.inside.features:
            return (Window(0, count),)
        return windows(count, size)

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
