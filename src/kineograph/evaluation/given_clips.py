"""Clips of which something is given: a first picture, a beginning, both ends, every other frame.

What is given comes from a rendered clip, so the truth is known, and what is made is held against
it. The sentence is the plain one that says everything.

Shapes: T frames of Y x X pixels, K toys.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.evaluation.adherence import Outcome
from kineograph.evaluation.flow import amount
from kineograph.evaluation.kept import Kept
from kineograph.evaluation.paths import Truth, path_error, seen_path
from kineograph.evaluation.prompts import Prompt
from kineograph.evaluation.ruler import Form, Ruler, psnr
from kineograph.evaluation.steadiness import flicker, roughness, seam, seam_to_rest
from kineograph.evaluation.text_clips import Say
from kineograph.parallel.replicas import ALONE, Replicas

Given = Callable[[Form], tuple[int, ...]]
"""The form of a clip -> the numbers of the frames that are given."""

TASKS: dict[str, Given] = {
    "image-to-video": lambda form: (0,),
    "continuation": lambda form: tuple(range(form.half)),
    "transition": lambda form: (0, form.frames - 1),
    "interpolation": lambda form: tuple(range(0, form.frames, 2)),
}
"""Each task, and the frames that are given."""

SHORTEST = 3
"""Frames of a clip in which something can lie between what is given."""

Complete = Callable[[str, Tensor, str, int], Tensor]
"""A task, the given frames (t, Y, X, 3), a sentence, a seed -> a clip (T, Y, X, 3), uint8."""

LOST = 16.0
"""Pixels of a 64 x 64 clip that a toy counts as being away where it is not to be found."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was made between and after given frames, against the true clip.

    given_psnr: of the given frames as they come back. psnr: of the others. path: mean distance of
    the toys from where they truly are, in pixels, in those frames; path_held: the same of toys
    that stay where they were last given. flow, true_flow: as in `Shown`. seam, seam_to_rest: as
    the functions of these names. roughness, true_roughness; flicker: grey levels.
    """

    outcome: Outcome
    given_psnr: float
    psnr: float
    path: float
    path_held: float
    flow: float
    true_flow: float
    seam: float
    seam_to_rest: float
    roughness: float
    true_roughness: float
    flicker: float | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model made of one task; `refused` says why it cannot do it at all."""

    task: str
    made: tuple[Made, ...] = ()
    refused: str = ""


@dataclass(frozen=True, eq=False)
class Completing:
    """How clips are completed, and where the results are kept."""

    complete: Complete
    ruler: Ruler
    folder: Path
    say: Say
    place: Replicas = ALONE

    def answer(self, task: str, prompts: Sequence[Prompt]) -> Answer:
        """Complete a clip of each prompt's scene."""
        if self.ruler.form.frames < SHORTEST:
            refused = f"clips of {self.ruler.form.frames} frames: nothing is left to be made"
            return Answer(task=task, refused=refused)
        places = TASKS[task](self.ruler.form)

        def one(numbers: Sequence[int]) -> list[tuple[Made, Tensor]]:
            prompt = plain(prompts[numbers[0]])
            truth = self.ruler.truth(prompt)
            video = self.complete(task, truth.video[list(places)], prompt.text, prompt.seed)
            return [(compare(self.ruler, prompt, truth, video, places), video)]

        try:
            made = Kept(self.folder / task, Made, self.place).collect(len(prompts), one, self.say)
        except ConfigError as error:
            self.say(f"{task}: {error}")
            return Answer(task=task, refused=str(error))
        return Answer(task=task, made=made)


def plain(prompt: Prompt) -> Prompt:
    """The prompt with the plain sentence about its scene, which asks for everything."""
    return replace(prompt, text=prompt.plain(), asked=prompt.truth())


def compare(
    ruler: Ruler, prompt: Prompt, truth: Truth, video: Tensor, places: Sequence[int]
) -> Made:
    """Hold a clip (T, Y, X, 3) uint8 with given frames against the true one."""
    given = list(places)
    rest = [number for number in range(len(video)) if number not in places]
    seen, lost = seen_path(video, truth), LOST * ruler.form.scale
    held = truth.seen[[max(place for place in places if place <= number) for number in rest]]
    return Made(
        outcome=ruler.outcome(prompt, video),
        given_psnr=psnr(video[given], truth.video[given]),
        psnr=psnr(video[rest], truth.video[rest]),
        path=path_error(seen[rest], truth.seen[rest], lost),
        path_held=path_error(held, truth.seen[rest], lost),
        flow=amount(video),
        true_flow=amount(truth.video),
        seam=seam(video, truth.video, places),
        seam_to_rest=seam_to_rest(video, truth.video, places),
        roughness=roughness(video),
        true_roughness=roughness(truth.video),
        flicker=flicker(video, truth.video),
    )
