"""Text to video: a clip for every prompt, what is read of it, how much moves, what it is like.

Shapes: B clips of T frames of Y x X pixels; D features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kineograph.evaluation.adherence import Outcome
from kineograph.evaluation.flow import amount
from kineograph.evaluation.frechet import frechet
from kineograph.evaluation.kept import Kept
from kineograph.evaluation.prompts import Prompt
from kineograph.evaluation.ruler import Ruler
from kineograph.parallel.replicas import ALONE, Replicas

Generate = Callable[[Sequence[str], Sequence[int]], Tensor]
"""Sentences and seeds -> clips (B, T, Y, X, 3) uint8."""

Say = Callable[[str], None]
"""Hears how far an evaluation is."""

TEXT = "text-to-video"
"""The folder, inside that of an evaluation, that keeps the clips of the prompts."""

STILL = 0.5
"""A clip in which less than this part of the true motion is seen is called still."""

MOVING = 0.02
"""Pixels per frame of a 64 x 64 clip: below this a true clip moves too little to compare with."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A clip that was made from a sentence, beside the clip that the sentence was made from.

    flow, true_flow: mean optical flow of both, measured alike, in pixels per frame. features,
    true_features: what the reader describes both by.
    """

    outcome: Outcome
    flow: float
    true_flow: float
    features: tuple[float, ...]
    true_features: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Making:
    """How clips of prompts are made: at most `together` at once; kept in `folder`."""

    generate: Generate
    ruler: Ruler
    folder: Path
    say: Say
    together: int = 1
    place: Replicas = ALONE

    def clips(self, prompts: Sequence[Prompt]) -> tuple[Shown, ...]:
        """One clip for every prompt."""

        def some(numbers: Sequence[int]) -> list[tuple[Shown, Tensor]]:
            chosen = [prompts[number] for number in numbers]
            videos = self.generate([one.text for one in chosen], [one.seed for one in chosen])
            pairs = zip(chosen, videos, strict=True)
            return [(self._shown(prompt, video), video) for prompt, video in pairs]

        kept = Kept(self.folder / TEXT, Shown, self.place)
        return kept.collect(len(prompts), some, self.say, together=self.together)

    def _shown(self, prompt: Prompt, video: Tensor) -> Shown:
        ruler = self.ruler
        true = ruler.truth(prompt).video
        return Shown(
            outcome=ruler.outcome(prompt, video),
            flow=amount(video),
            true_flow=amount(true),
            features=ruler.features(video),
            true_features=ruler.features(true),
        )


def distance(shown: Sequence[Shown]) -> float | None:
    """Fréchet distance of the clips to the true ones; None of a single one."""
    if len(shown) < 2:
        return None
    made = torch.tensor([one.features for one in shown])
    return frechet(made, torch.tensor([one.true_features for one in shown]))
