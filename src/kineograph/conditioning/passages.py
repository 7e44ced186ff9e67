"""Passages: runs of known latents laid into a clip, as short texts name them (Open-Sora 1.2).

A text has groups separated by ";", a group up to six numbers separated by ",":
loop, reference, start in the reference, start in the target, length, edit. Starts and lengths
are latent frames, negative starts count from the end. `0` is image-to-video, `0;0,1,0,-1,1`
connects two images.

Letters: B samples; C channels; F x H x W latent cells.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.types import Known


@dataclass(frozen=True)
class Passage:
    """A run of latent frames of a reference, and where it goes.

    loop: in which clip of a long video. edit: from which time on, in [0, 1], the frames move
    with the others; 0: never.
    """

    loop: int = 0
    reference: int = 0
    reference_start: int = 0
    target_start: int = 0
    length: int = 1
    edit: float = 0.0


def parse(text: str) -> tuple[Passage, ...]:
    """The passages that a text names; none for an empty one.

    Raises:
        ConfigError: a group has too many numbers, or something else in it.
    """
    return tuple(_passage(group) for group in text.split(";")) if text else ()


def _passage(group: str) -> Passage:
    words = group.split(",")
    whole, edit = words[:5], words[5:]
    try:
        if len(edit) > 1:
            raise ValueError
        return Passage(*(int(word) for word in whole), *(float(word) for word in edit))
    except ValueError as error:
        raise ConfigError(
            f"passage {group!r}: expected up to five integers and a number from 0 to 1: loop, "
            f"reference, start in it, start, length, edit; nearest: "
            f"{','.join(str(part) for part in astuple(Passage()))!r}"
        ) from error


def snap(place: int, step: int, size: int) -> int:
    """The nearest multiple of `step`, never the last multiple in `size` if one lies before it."""
    index, rest = divmod(place, step)
    if rest > step / 2 and index < size // step - 1:
        index += 1
    return index * step


def lay(
    start: Tensor,
    references: Sequence[Sequence[Tensor]],
    texts: Sequence[str],
    *,
    loop: int = 0,
    align: int | None = None,
) -> Known:
    """What is known of a batch of clips.

    Args:
        start: latents (B, C, F, H, W) that a passage does not touch.
        references: for each sample its references, (C, F', H, W) each.
        texts: for each sample its passages.
        loop: which clip of a long video this is; passages of others are left out.
        align: starts go to multiples of it, because latents come in chunks; None: they stay.

    Returns:
        latents (B, C, F, H, W) and strength (B, 1, F, 1, 1), 1 - edit where a passage lies.
    """
    latents = start.clone()
    samples, _, frames, _, _ = start.shape
    strength = start.new_zeros(samples, 1, frames, 1, 1)
    for sample, text in enumerate(texts):
        for passage in parse(text):
            if passage.loop != loop:
                continue
            source = references[sample][passage.reference]
            there = _place(passage.reference_start, source.shape[1], align)
            here = _place(passage.target_start, frames, align)
            length = min(passage.length, frames - here, source.shape[1] - there)
            latents[sample, :, here : here + length] = source[:, there : there + length]
            strength[sample, :, here : here + length] = 1.0 - passage.edit
    return Known(latents, strength)


def _place(place: int, size: int, align: int | None) -> int:
    place = place + size if place < 0 else place
    return place if align is None else snap(place, align, size)


def pixel_frames(latent_frames: int) -> int:
    """Pixel frames of whole chunks of 5 latent frames, 17 for each."""
    if latent_frames % 5:
        raise ConfigError(
            f"{latent_frames} latent frames: expected whole chunks of 5; nearest: "
            f"{round(latent_frames / 5) * 5}"
        )
    return latent_frames // 5 * 17
