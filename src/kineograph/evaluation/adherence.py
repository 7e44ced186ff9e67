"""Adherence: does a clip show what was asked for? Read back by the reader, counted as shares.

Shapes: B clips of T frames of Y x X pixels.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from kineograph.evaluation.kept import Kept
from kineograph.evaluation.prompts import Prompt
from kineograph.evaluation.reader import ATTRIBUTES, Reader
from kineograph.evaluation.share import Share

Generate = Callable[[Sequence[str], Sequence[int]], Tensor]
"""Sentences and seeds -> clips (B, T, Y, X, 3) uint8."""

Say = Callable[[str], None]
"""Hears how far an evaluation is."""

TOGETHER = "colour, shape and motion"
ALL = "all that was asked"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was asked of one clip and what the reader read, with its confidence, 0 to 1."""

    text: str
    seed: int
    held_out: bool
    asked: Mapping[str, str]
    read: Mapping[str, str]
    confidence: Mapping[str, float]

    def right(self, names: Iterable[str]) -> bool:
        """Whether everything that was asked of these attributes was read."""
        return all(self.read[name] == self.asked[name] for name in names if name in self.asked)


def judge(reader: Reader, prompt: Prompt, video: Tensor) -> Outcome:
    """Read one clip (T, Y, X, 3) uint8; of a single picture, motion is not asked."""
    [reading] = reader.read(video[None])
    asked = {k: v for k, v in prompt.asked.items() if len(video) > 1 or k != "motion"}
    return Outcome(
        text=prompt.text,
        seed=prompt.seed,
        held_out=prompt.held_out,
        asked=asked,
        read=reading.values,
        confidence=reading.confidence,
    )


def measure(
    generate: Generate, prompts: Sequence[Prompt], reader: Reader, folder: Path, say: Say
) -> tuple[Outcome, ...]:
    """Generate a clip for every prompt and read it.

    Args:
        generate: makes the clips; it is called with one prompt at a time.
        prompts: what to ask for.
        reader: the judge.
        folder: keeps each result, and finds those that are already there.
        say: hears of every clip.
    """

    def one(index: int) -> tuple[Outcome, Tensor]:
        prompt = prompts[index]
        [video] = generate([prompt.text], [prompt.seed])
        return judge(reader, prompt, video), video

    return Kept(folder, Outcome).collect(len(prompts), one, say)


def tally(outcomes: Sequence[Outcome]) -> dict[str, Share]:
    """The share that was read right: of each attribute where it was asked, and together."""
    names: dict[str, tuple[str, ...]] = {name: (name,) for name in ATTRIBUTES}
    names |= {TOGETHER: ("colour", "shape", "motion"), ALL: tuple(ATTRIBUTES)}
    shares = {}
    for title, attributes in names.items():
        asked = [outcome for outcome in outcomes if not outcome.asked.keys().isdisjoint(attributes)]
        right = sum(outcome.right(attributes) for outcome in asked)
        shares[title] = Share(right, len(asked))
    return shares
