"""What the autoencoder loses: true clips are coded, decoded, compared, and read.

Shapes: clips of T frames of Y x X pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from kineograph.evaluation.adherence import Outcome
from kineograph.evaluation.given_clips import plain
from kineograph.evaluation.kept import Kept
from kineograph.evaluation.metrics import clip_ssim
from kineograph.evaluation.prompts import Prompt
from kineograph.evaluation.ruler import Ruler, psnr
from kineograph.evaluation.text_clips import Say
from kineograph.parallel.replicas import ALONE, Replicas

Reconstruct = Callable[[Tensor], Tensor]
"""A clip (T, Y, X, 3) uint8 -> the same, coded and decoded."""

WINDOW = 11
"""SSIM needs pictures of at least so many rows and columns."""


@dataclass(frozen=True, kw_only=True)
class Reconstructed:
    """A clip that went through the autoencoder: PSNR in dB everywhere and on the toys, SSIM."""

    outcome: Outcome
    everywhere: float
    on_object: float
    ssim: float | None


@dataclass(frozen=True, eq=False)
class Coding:
    """How clips are reconstructed, and where the results are kept."""

    reconstruct: Reconstruct
    ruler: Ruler
    folder: Path
    say: Say
    place: Replicas = ALONE

    def clips(self, prompts: Sequence[Prompt]) -> tuple[Reconstructed, ...]:
        """Reconstruct the true clip of each prompt."""

        def one(numbers: Sequence[int]) -> list[tuple[Reconstructed, Tensor]]:
            prompt = plain(prompts[numbers[0]])
            truth = self.ruler.truth(prompt)
            real, mask = truth.video, truth.masks > 0
            video = self.reconstruct(real)
            large = min(real.shape[1:3]) >= WINDOW
            result = Reconstructed(
                outcome=self.ruler.outcome(prompt, video),
                everywhere=psnr(video, real),
                on_object=psnr(video[mask][None, None], real[mask][None, None]),
                ssim=clip_ssim(video, real) if large else None,
            )
            return [(result, video)]

        kept = Kept(self.folder / "autoencoder", Reconstructed, self.place)
        return kept.collect(len(prompts), one, self.say)
