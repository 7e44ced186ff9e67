"""Motion scores: does a clip show more motion when its prompt asks for more?

Behind a sentence, a training run may have written `motion score: N.`, the mean optical flow of the
clip in pixels per frame. Here the same sentence is asked with several scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from kineograph.evaluation.flow import amount
from kineograph.evaluation.kept import Kept
from kineograph.evaluation.prompts import Prompt
from kineograph.evaluation.ranks import Ranked, rank_correlation
from kineograph.evaluation.text_clips import Generate, Say, Shown
from kineograph.parallel.replicas import ALONE, Replicas

ASKED = (0, 1, 2, 4)
"""The scores that are asked for with every sentence."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A sentence, the motion score that was asked for, and the flow that is shown."""

    text: str
    seed: int
    score: int
    flow: float


def scored(
    generate: Generate,
    prompts: Sequence[Prompt],
    folder: Path,
    say: Say,
    place: Replicas = ALONE,
) -> tuple[Scored, ...]:
    """Make a clip of every prompt with every score, from the same noise."""

    def some(numbers: Sequence[int]) -> list[tuple[Scored, Tensor]]:
        prompt = prompts[numbers[0] // len(ASKED)]
        texts = [f"{prompt.text}. motion score: {score}." for score in ASKED]
        videos = generate(texts, [prompt.seed] * len(ASKED))
        return [
            (Scored(text=prompt.text, seed=prompt.seed, score=score, flow=amount(video)), video)
            for score, video in zip(ASKED, videos, strict=True)
        ]

    kept = Kept(folder / "motion-scores", Scored, place)
    count = len(prompts) * len(ASKED)
    return kept.collect(count, some, say, together=len(ASKED))


def by_score(clips: Sequence[Scored]) -> Ranked | None:
    """Rank correlation of asked scores and shown motion, relative to each sentence's mean."""
    means: dict[str, float] = {}
    for text in {one.text for one in clips}:
        own = [one.flow for one in clips if one.text == text]
        means[text] = sum(own) / len(own) or 1.0
    return rank_correlation(
        [one.score for one in clips], [one.flow / means[one.text] for one in clips]
    )


def by_words(shown: Sequence[Shown]) -> Ranked | None:
    """Rank correlation of the motion that sentences describe and the motion that is shown."""
    return rank_correlation([one.true_flow for one in shown], [one.flow for one in shown])
