"""The score card: one picture that says how good a model is, with clips as they came.

Lengths are pixels of the card.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kineograph.evaluation import summary
from kineograph.evaluation.adherence import ALL, Outcome
from kineograph.evaluation.given_clips import TASKS
from kineograph.evaluation.ink import (
    HELD_OUT,
    PAPER,
    RIGHT,
    SEEN,
    SOFT,
    WRONG,
    Pen,
    cut,
    length,
)
from kineograph.evaluation.kept import MOMENTS, Kept
from kineograph.evaluation.report import Report, Summary, extent
from kineograph.evaluation.text_clips import TEXT, Shown
from kineograph.media.encode import write_image
from kineograph.media.resize import fit

WIDTH, EDGE = 1320, 40
COLUMN = (WIDTH - 3 * EDGE) // 2
RIGHT_COLUMN = 2 * EDGE + COLUMN
TOP, BAR_ROW, TASK_ROW, FACT_ROW = 150, 46, 36, 34
CLIPS = 12
GAP = 4
SIDE = (COLUMN - GAP * (len(MOMENTS) - 1)) // len(MOMENTS)
CLIP_ROW = SIDE + 66

COLUMNS = (
    ("motion", "motion read", 0.345),
    ("given", summary.GIVEN, 0.50),
    ("path, px", summary.PATH, 0.63),
    ("unmoved", summary.HELD, 0.765),
    ("flow", summary.FLOW, 0.89),
    ("seam", summary.SEAM, 1.0),
)
"""Of the table of tasks: title, score, where it ends as a part of the width."""


def write(report: Report, folder: Path) -> Path:
    """Draw `card.png`, with the first clips that an evaluation kept in the folder; its path."""
    kept = Kept(folder / TEXT, Shown)
    outcomes = report.found.outcomes[:CLIPS]
    frames = [kept.frames(index) for index in range(len(outcomes))]
    path = folder / "card.png"
    write_image(path, draw(report.summary, outcomes, frames))
    return path


def draw(found: Summary, outcomes: Sequence[Outcome], clips: Sequence[Tensor]) -> Tensor:
    """The card as a picture (Y, X, 3) uint8.

    Args:
        found: the scores.
        outcomes: of the first prompts.
        clips: frames (5, Y, X, 3) uint8 of the same prompts.
    """
    names = [*found.conditions.judged, ALL]
    rows = [name for name in names if found.find("adherence, all", name)]
    facts = _facts(found)
    below = max(
        TOP + len(rows) * BAR_ROW + 66,
        TOP + 26 + len(TASKS) * TASK_ROW + 12 + len(facts) * FACT_ROW + 40,
    )
    height = below + CLIP_ROW * ((len(clips) + 1) // 2) + EDGE // 2
    pen = Pen(Image.new("RGB", (WIDTH, height), PAPER))
    _title(pen, found)
    _bars(pen, found, rows)
    _tasks(pen, found)
    _list(pen, facts, TOP + 26 + len(TASKS) * TASK_ROW + 12)
    note = f"The first {len(clips)} prompts as they came; nothing was picked."
    pen.write((RIGHT_COLUMN, below - 32), note, 15, SOFT)
    for place, (outcome, frames) in enumerate(zip(outcomes, clips, strict=True)):
        left = EDGE + (place % 2) * (COLUMN + EDGE)
        _clip(pen, (left, below + (place // 2) * CLIP_ROW), outcome, frames)
    return torch.from_numpy(np.array(pen.image))


def _title(pen: Pen, found: Summary) -> None:
    subject, conditions = found.subject, found.conditions
    end = pen.write((EDGE, 28), f"Score card: {subject.model}", 34)
    if conditions.prompts < 200:
        pen.write((end + 18, 41), "quick check", 20, WRONG)
    form = conditions.form
    about = (
        f"{extent(conditions)}, trained at level {subject.trained_level}; "
        f"{form.frames} frames of {form.width} x {form.height}; weights {subject.digest}"
    )
    pen.write((EDGE, 78), about, 17, SOFT)
    pen.rule(EDGE, WIDTH - EDGE, 112, 2)


def _bars(pen: Pen, found: Summary, names: Sequence[str]) -> None:
    """A row for each attribute: shares of seen and held-out combinations, and intervals."""
    pen.write((EDGE, TOP - 26), "Does the video show what the sentence says?", 17)
    left, right = EDGE + 92, EDGE + COLUMN - 132
    for row, name in enumerate(names):
        top = TOP + row * BAR_ROW + 8
        pen.write((EDGE, top + 6), "all" if name == ALL else name, 18)
        for number, (group, colour) in enumerate((("seen", SEEN), ("held-out", HELD_OUT))):
            score, y = found.find(f"adherence, {group}", name), top + 18 * number
            if score is not None:
                pen.bar((left, y, right, y + 15), score, colour)
                pen.write_to((right + 66, y - 3), score.plain(), 15)
                pen.write((right + 74, y - 2), f"{score.right}/{score.count}", 14, SOFT)
    y = TOP + len(names) * BAR_ROW + 8
    pen.square((left, y + 3), SEEN)
    pen.write((left + 20, y), "seen in training", 15, SOFT)
    pen.square((left + 150, y + 3), HELD_OUT)
    pen.write((left + 170, y), "never seen together", 15, SOFT)
    pen.write((left + 330, y), "line: 95 %", 15, SOFT)
    gap = found.find(f"adherence, {summary.DIFFERENCE}", ALL)
    if gap is not None:
        pen.write((left, y + 26), f"all, never seen less seen: {gap}", 15, SOFT)


def _tasks(pen: Pen, found: Summary) -> None:
    """A row for each task with given frames, against the truth."""
    pen.write((RIGHT_COLUMN, TOP - 26), "What is made of given frames, against the truth", 17)
    for title, _, end in COLUMNS:
        pen.write_to((RIGHT_COLUMN + round(end * COLUMN), TOP + 4), title, 14, SOFT)
    for row, task in enumerate(TASKS):
        y = TOP + 26 + row * TASK_ROW
        pen.write((RIGHT_COLUMN, y + 5), task, 17)
        for _, name, end in COLUMNS:
            score = found.find(task, name)
            text = "–" if score is None else score.plain()
            pen.write_to((RIGHT_COLUMN + round(end * COLUMN), y + 6), text.replace(" px", ""), 16)
        pen.rule(RIGHT_COLUMN, WIDTH - EDGE, y + TASK_ROW - 3)


def _facts(found: Summary) -> list[tuple[str, str]]:
    """Further scores in words, as far as they were measured."""
    wanted = (
        ("Bounces, falls and collisions follow the law", "physics", (summary.FOLLOWS,)),
        ("Motion shown, of the true one", "text-to-video", (summary.FLOW,)),
        ("Too still: less than half of it", "text-to-video", (summary.STILL_NAME,)),
        ("More motion where more is described", "text-to-video", (summary.WORDS,)),
        ("More motion for a higher score", "text-to-video", (summary.ASKED,)),
        ("Frechet distance to true clips", "text-to-video", (summary.FRECHET,)),
        ("Autoencoder: all, toys, SSIM", "autoencoder", ("PSNR", "PSNR on the toys", "SSIM")),
    )
    facts = []
    for title, group, names in wanted:
        scores = [one for one in (found.find(group, name) for name in names) if one is not None]
        if scores:
            several = len(scores) > 1
            told = (one.plain() if several else str(one) for one in scores)
            facts.append((title, ", ".join(told)))
    return facts


def _list(pen: Pen, facts: Sequence[tuple[str, str]], top: int) -> None:
    """Lines of a name to the left and a value to the right."""
    for row, (what, value) in enumerate(facts):
        y = top + row * FACT_ROW
        pen.write((RIGHT_COLUMN, y + 5), what, 17)
        pen.write_to((WIDTH - EDGE, y + 6), value, 16)
        pen.rule(RIGHT_COLUMN, WIDTH - EDGE, y + FACT_ROW - 3)


def _clip(pen: Pen, corner: tuple[int, int], outcome: Outcome, frames: Tensor) -> None:
    """The prompt with the colour of its group, five frames, what was read; errors in red."""
    left, top = corner
    pen.square((left, top + 4), HELD_OUT if outcome.held_out else SEEN)
    pen.write((left + 20, top), cut(outcome.text, COLUMN - 20, 16), 16)
    for number, picture in enumerate(fit(frames, SIDE, SIDE)):
        shown = Image.fromarray(picture.numpy())
        pen.image.paste(shown, (left + number * (SIDE + GAP), top + 24))
    x, wrong = left, outcome.wrong()
    for key in sorted(outcome.asked, key=lambda key: key not in wrong):  # errors are not left out
        good, asked = key not in wrong, outcome.asked[key]
        said = asked if good else f"{outcome.read.get(key) or '?'}, not {asked}"
        text = f"{key}: {said}"
        if x + length(text, 15) > left + COLUMN:
            break
        x = pen.write((x, top + SIDE + 28), text, 15, RIGHT if good else WRONG) + 18
