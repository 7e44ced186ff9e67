"""What an evaluation measures with: a judge, a reader's features, and true clips of one form."""

from dataclasses import dataclass

from torch import Tensor

from kineograph.evaluation.adherence import Outcome, outcome
from kineograph.evaluation.frechet import features
from kineograph.evaluation.metrics import clip_psnr
from kineograph.evaluation.paths import Truth, true_clip
from kineograph.evaluation.prompts import Prompt
from kineograph.evaluation.reader import Reader
from kineograph.evaluation.reading import Judge

EQUAL = 99.0
"""PSNR in dB that stands for two equal pictures."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """The clips that a model makes: frames, pixels, frames a second.

    half, quarter: about so many frames, of a length that the model takes as a beginning.
    """

    frames: int
    height: int
    width: int
    fps: float
    half: int
    quarter: int

    @property
    def scale(self) -> float:
        """Pixels of a clip for one of a 64 x 64 clip."""
        return float((self.height * self.width) ** 0.5 / 64)


@dataclass(frozen=True, eq=False)
class Ruler:
    """judge: reads what clips show. eyes: describes clips for distances of sets."""

    judge: Judge
    eyes: Reader
    form: Form

    def truth(self, prompt: Prompt) -> Truth:
        """The clip that the prompt's scene is."""
        form = self.form
        return true_clip(prompt.scene(), form.frames, form.fps, (form.height, form.width))

    def outcome(self, prompt: Prompt, video: Tensor) -> Outcome:
        """What is read of a clip (T, Y, X, 3) uint8."""
        return outcome(self.judge, prompt, video)

    def features(self, video: Tensor) -> tuple[float, ...]:
        """What a clip (T, Y, X, 3) uint8 is like, as D numbers."""
        return tuple(round(value, 5) for value in features(self.eyes, video[None])[0].tolist())


def psnr(video: Tensor, reference: Tensor) -> float:
    """PSNR in dB of all frames, (T, Y, X, 3) uint8 twice; at most `EQUAL`."""
    return min(EQUAL, clip_psnr(video, reference))
