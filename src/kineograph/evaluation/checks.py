"""Does a given picture begin to move as asked, and what does the autoencoder lose?

Shapes: clips of T frames of Y x X pixels. All scenes are of held-out combinations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from kineograph.evaluation.adherence import Outcome, Say, judge
from kineograph.evaluation.kept import Kept
from kineograph.evaluation.metrics import clip_psnr
from kineograph.evaluation.prompts import Prompt, truth
from kineograph.evaluation.reader import Reader
from kineograph.toybox.captions import canonical
from kineograph.toybox.render import Rendered, render, times

Animate = Callable[[Tensor, str, int], Tensor]
"""A picture (Y, X, 3), a sentence and a seed -> a clip (T, Y, X, 3); all uint8."""

Reconstruct = Callable[[Tensor], Tensor]
"""A clip (T, Y, X, 3) uint8 -> the same, coded and decoded."""

EQUAL = 99.0
"""PSNR in dB that stands for two equal pictures."""


@dataclass(frozen=True)
class Form:
    """The clips that a model makes: frames, pixels, frames a second."""

    frames: int
    height: int
    width: int
    fps: float


@dataclass(frozen=True, kw_only=True)
class Animated:
    """A clip that was to begin with a given picture; PSNR of its first frame to it, in dB."""

    outcome: Outcome
    first_frame: float


@dataclass(frozen=True, kw_only=True)
class Reconstructed:
    """A clip that went through the autoencoder; PSNR in dB of all of it, and on the object."""

    outcome: Outcome
    everywhere: float
    on_object: float


@dataclass(frozen=True, eq=False)
class Checks:
    """Runs the checks on the scenes of some prompts.

    prompts: as many as the largest count that is asked for, at least.
    folder: keeps each result, and finds those that are already there.
    """

    prompts: Sequence[Prompt]
    form: Form
    reader: Reader
    folder: Path
    say: Say

    def image_to_video(self, animate: Animate, count: int) -> tuple[Animated, ...]:
        """Give the first frame of real clips and their plain captions; read the clips that come."""

        def one(index: int) -> tuple[Animated, Tensor]:
            prompt, clip = self._scene(index)
            picture = clip.video[0, 0]
            video = animate(picture, prompt.text, prompt.seed)
            first = _psnr(video[:1], picture[None])
            return Animated(outcome=judge(self.reader, prompt, video), first_frame=first), video

        kept = Kept(self.folder / "image-to-video", Animated)
        return kept.collect(count, one, self.say)

    def autoencoder(self, reconstruct: Reconstruct, count: int) -> tuple[Reconstructed, ...]:
        """Code and decode real clips; compare, and read what comes back."""

        def one(index: int) -> tuple[Reconstructed, Tensor]:
            prompt, clip = self._scene(index)
            real, mask = clip.video[0], clip.masks[0] > 0
            video = reconstruct(real)
            result = Reconstructed(
                outcome=judge(self.reader, prompt, video),
                everywhere=_psnr(video, real),
                on_object=_psnr(video[mask][None, None], real[mask][None, None]),
            )
            return result, video

        kept = Kept(self.folder / "autoencoder", Reconstructed)
        return kept.collect(count, one, self.say)

    def _scene(self, index: int) -> tuple[Prompt, Rendered]:
        """A prompt's scene with its plain caption, which asks for everything; and its clip."""
        scene = self.prompts[index].scene()
        plain = replace(self.prompts[index], text=canonical(scene), asked=truth(scene))
        form = self.form
        moments = times(form.frames, form.fps)
        return plain, render([scene], moments, (form.height, form.width))


def _psnr(video: Tensor, reference: Tensor) -> float:
    return min(EQUAL, clip_psnr(video, reference))
