"""Physics: does what bounces, falls or collides go on by the law of its scene?

A model is given the beginning of a true clip. From there on the toys' path is compared with the
law's, which is the true clip's, and with two paths that know no law: the toys stop, or they go
on straight. Who follows the law is at most half as far from it as the better of these two.

Shapes: T frames of Y x X pixels, K toys.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.evaluation.given_clips import LOST, SHORTEST, Complete, plain
from kineograph.evaluation.kept import Kept
from kineograph.evaluation.paths import Truth, path_error, seen_path
from kineograph.evaluation.prompts import Prompt
from kineograph.evaluation.ruler import Ruler
from kineograph.evaluation.text_clips import Say
from kineograph.parallel.replicas import ALONE, Replicas
from kineograph.toybox.scene import Scene, Toy

LAWS = ("bounce", "fall")
"""Motions that gravity rules; a collision is the other law."""

TELLING = 1.5
"""Pixels of a 64 x 64 clip that the better lawless path must be wrong by."""

PART = 0.5
"""The part of that error within which a path follows the law."""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """How far the toys were from the law's path, and two lawless paths: pixels.

    law: bounce, fall or collision.
    """

    text: str
    seed: int
    law: str
    error: float
    stopped: float
    straight: float

    @property
    def right(self) -> bool:
        """Whether the path follows the law."""
        return self.error <= PART * min(self.stopped, self.straight)


@dataclass(frozen=True, eq=False)
class Following:
    """How beginnings are gone on with, and where the results are kept."""

    complete: Complete
    ruler: Ruler
    folder: Path
    say: Say
    place: Replicas = ALONE

    def answer(self, prompts: Sequence[Prompt], count: int) -> tuple[Followed, ...]:
        """Go on with the first `count` scenes of these prompts that show a law.

        Nothing where the model cannot go on with a beginning.
        """
        if self.ruler.form.frames < SHORTEST:
            return ()
        chosen = self.telling(prompts, count)
        begin = self.ruler.form.quarter

        def one(numbers: Sequence[int]) -> list[tuple[Followed, Tensor]]:
            prompt = plain(chosen[numbers[0]])
            truth = self.ruler.truth(prompt)
            given = truth.video[:begin]
            video = self.complete("continuation", given, prompt.text, prompt.seed)
            return [(follow(prompt, truth, video, begin, self.lost), video)]

        try:
            kept = Kept(self.folder / "physics", Followed, self.place)
            return kept.collect(len(chosen), one, self.say)
        except ConfigError as error:
            self.say(f"physics: {error}")
            return ()

    def telling(self, prompts: Sequence[Prompt], count: int) -> list[Prompt]:
        """The first prompts whose scenes show a law after their beginning."""
        found: list[Prompt] = []
        least = TELLING * self.ruler.form.scale
        for prompt in prompts:
            if len(found) == count:
                break
            if law(prompt.scene()):
                true = self.ruler.truth(prompt)
                lawless = follow(prompt, true, true.video, self.ruler.form.quarter, self.lost)
                if min(lawless.stopped, lawless.straight) >= least:
                    found.append(prompt)
        return found

    @property
    def lost(self) -> float:
        """Pixels that a toy counts as being away where it is not to be found."""
        return LOST * self.ruler.form.scale


def law(scene: Scene) -> str:
    """Which law a scene shows: bounce, fall or collision; none: empty."""
    if any(toy.impact is not None for toy in scene.toys):
        return "collision"
    return next((toy.motion for toy in scene.toys if toy.motion in LAWS), "")


def follow(prompt: Prompt, truth: Truth, video: Tensor, begin: int, lost: float) -> Followed:
    """Compare the path in a clip (T, Y, X, 3) uint8, of which `begin` frames are given."""
    ruled = [number for number, toy in enumerate(truth.scene.toys) if _ruled(toy)]
    true, seen = truth.seen[:, ruled], seen_path(video, truth)[:, ruled]
    after = true[begin:]
    last, speed = true[begin - 1], true[begin - 1] - true[max(0, begin - 2)]
    ahead = torch.arange(1, len(after) + 1)[:, None, None]
    return Followed(
        text=prompt.text,
        seed=prompt.seed,
        law=law(truth.scene),
        error=path_error(seen[begin:], after, lost),
        stopped=path_error(last.expand_as(after), after, lost),
        straight=path_error(last + ahead * speed, after, lost),
    )


def _ruled(toy: Toy) -> bool:
    return toy.impact is not None or toy.motion in LAWS
