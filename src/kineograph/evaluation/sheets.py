"""Contact sheets of an evaluation: every prompt's clip, and completed clips below the true ones.

Shapes: clips of T frames of Y x X pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from kineograph.evaluation.adherence import Outcome
from kineograph.evaluation.given_clips import TASKS, Made
from kineograph.evaluation.kept import Kept, moments
from kineograph.evaluation.prompts import Prompt
from kineograph.evaluation.report import Report, misread
from kineograph.evaluation.ruler import Ruler
from kineograph.evaluation.text_clips import TEXT, Shown
from kineograph.media.encode import write_image
from kineograph.media.sheet import contact_sheet

ROWS = 50
"""Clips below each other before a new column begins."""

FRAMES, HEIGHT = 5, 72
SHOWN = 4
"""Clips of each task that are shown."""

GIVEN = torch.tensor([47, 111, 221], dtype=torch.uint8)
"""The colour of the line below given frames."""


def write(report: Report, ruler: Ruler, prompts: Sequence[Prompt], folder: Path) -> None:
    """Draw `sheet.png` and `tasks.png` from what an evaluation kept in the folder."""
    kept = Kept(folder / TEXT, Shown)
    clips = [kept.frames(number) for number in range(len(report.found.shown))]
    labels = [_label(outcome) for outcome in report.found.outcomes]
    columns = [
        contact_sheet(clips[k : k + ROWS], labels[k : k + ROWS], columns=FRAMES, height=HEIGHT)
        for k in range(0, len(clips), ROWS)
    ]
    write_image(folder / "sheet.png", beside(columns))
    columns = [
        _task(answer.task, ruler, prompts[: min(SHOWN, len(answer.made))], folder)
        for answer in report.found.answers
        if answer.made
    ]
    if columns:
        write_image(folder / "tasks.png", beside(columns))


def beside(columns: Sequence[Tensor]) -> Tensor:
    """Pictures (Y, X, 3) beside each other, on white where they are shorter."""
    high = max(len(column) for column in columns)
    filled = []
    for column in columns:
        below = column.new_full((high - len(column), *column.shape[1:]), 255)
        filled.append(torch.cat([column, below]))
    return torch.cat(filled, dim=1)


def _task(task: str, ruler: Ruler, prompts: Sequence[Prompt], folder: Path) -> Tensor:
    """The true clips of a task, each above what was made; lines below given frames."""
    kept, given = Kept(folder / task, Made), TASKS[task](ruler.form)
    clips, labels = [], []
    for number, prompt in enumerate(prompts):
        shown = moments(ruler.form.frames)
        true = ruler.truth(prompt).video[shown]
        marked = [_marked(one, at in given) for one, at in zip(true, shown, strict=True)]
        clips += [torch.stack(marked), kept.frames(number)]
        labels += [f"{task}: {prompt.plain()}", "made from the frames with a line"]
    return contact_sheet(clips, labels, columns=FRAMES, height=HEIGHT)


def _marked(frame: Tensor, given: bool) -> Tensor:
    """A picture (Y, X, 3), with a line at its lower edge if it was given."""
    if not given:
        return frame
    frame = frame.clone()
    frame[-max(1, len(frame) // 16) :] = GIVEN
    return frame


def _label(outcome: Outcome) -> str:
    return "  |  ".join([*misread(outcome), outcome.text])
