"""Making a video again: what has to be the same, and whether it came out the same."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from kineograph import __version__
from kineograph.generation.draft import Info
from kineograph.generation.events import Watch, silent
from kineograph.generation.generator import Generator
from kineograph.generation.output import Generation
from kineograph.generation.request import Request
from kineograph.media.decode import read_image, read_video


def differences(info: Info, generator: Generator) -> list[str]:
    """What is not as it was when a video was made; equal frames need an empty list."""
    pairs = (
        ("weights", info.digest, generator.parts.digest),
        ("version", info.version, __version__),
        ("machine", info.machine, generator.parts.place.machine()),
    )
    return [f"{name}: was {was}, is {found}" for name, was, found in pairs if was != found]


def repeat(generator: Generator, info: Info, request: Request, watch: Watch = silent) -> Generation:
    """The video again, beside the same others that it was denoised with.

    Args:
        generator: the model.
        info: how the video came about.
        request: its request, with its inputs.
        watch: is told of every step.
    """
    if not info.batch:
        draft = generator.drafts([info.prompt], request, watch)[0]
    else:
        prompts, seeds = [row.prompt for row in info.batch], [row.seed for row in info.batch]
        drafts = generator.drafts(prompts, request, watch, seeds=seeds)
        places = [(row.prompt, row.seed) for row in info.batch]
        draft = drafts[places.index((info.prompt, info.seed))]
    return generator.decode(replace(draft, info=replace(draft.info, model=info.model)), watch)


@dataclass(frozen=True)
class Likeness:
    """How far two files differ: shapes, and the largest difference of a level of 255.

    largest: None where the shapes differ.
    """

    largest: int | None

    @property
    def equal(self) -> bool:
        """Whether every pixel is the same."""
        return self.largest == 0


def compare(one: Path, other: Path) -> Likeness:
    """Two files, decoded.

    Raises:
        MediaError: one of them cannot be read.
    """
    left, right = (
        read_image(path)[None] if path.suffix.lower() == ".png" else read_video(path).frames
        for path in (one, other)
    )
    if left.shape != right.shape:
        return Likeness(None)
    return Likeness(int((left.to(torch.int16) - right.to(torch.int16)).abs().max()))
