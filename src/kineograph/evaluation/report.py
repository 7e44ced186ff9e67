"""The report of an evaluation: everything that was found, and how; JSON and Markdown."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from kineograph.config import from_data, to_data
from kineograph.errors import DataError
from kineograph.evaluation import summary
from kineograph.evaluation.adherence import Outcome
from kineograph.evaluation.coding import Reconstructed
from kineograph.evaluation.given_clips import Answer
from kineograph.evaluation.motion_scores import Scored
from kineograph.evaluation.physics import Followed
from kineograph.evaluation.ruler import Form
from kineograph.evaluation.score import Score
from kineograph.evaluation.text_clips import TEXT, Shown
from kineograph.media.encode import replaced

SCHEMA = 2
"""Of report.json; raised when an entry changes its meaning."""

NAME = "report.json"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How a model was measured; only cards with equal conditions can be compared.

    level: of the prompts. prompts, given, physics, scores, coded: how many of each. form: of the
    clips. prompts_digest, judge_digest: of the file of prompts and of the reader's weights.
    judged: attributes that are read and counted.
    """

    level: int
    prompts: int
    given: int
    physics: int
    scores: int
    coded: int
    form: Form
    prompts_digest: str
    judge_digest: str
    judged: tuple[str, ...]
    not_judged: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was measured: weights by their digest, the level that they were trained at, settings.

    overrides: of the recipe. steps, guidance: of the sampling; None: of several numbers.
    """

    model: str
    digest: str
    trained_level: int
    steps: int
    guidance: float | None
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the numbers come from: program versions and machine; equal ones give equal digits."""

    kineograph: str
    python: str
    machine: str
    batch: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What report.json begins with: everything but the single clips."""

    schema: int
    subject: Subject
    conditions: Conditions
    origin: Origin
    scores: tuple[Score, ...]

    def find(self, group: str, name: str) -> Score | None:
        """A score of the card; None where it was not measured."""
        return next((one for one in self.scores if one.key == (group, name)), None)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found about single clips."""

    shown: tuple[Shown, ...]
    answers: tuple[Answer, ...]
    followed: tuple[Followed, ...]
    scored: tuple[Scored, ...]
    coded: tuple[Reconstructed, ...]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What was read of the clips of the prompts."""
        return tuple(one.outcome for one in self.shown)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that an evaluation found, and what it is about; `recipe` as plain data."""

    subject: Subject
    conditions: Conditions
    origin: Origin
    recipe: Mapping[str, Any]
    found: Found

    @cached_property
    def summary(self) -> Summary:
        """The scores, with what they are about."""
        scale, found = self.conditions.form.scale, self.found
        scores = [
            *summary.adherence(found.shown),
            *summary.text(found.shown, found.scored, scale),
            *(one for answer in found.answers for one in summary.task(answer, scale)),
            *summary.physics(found.followed),
            *summary.autoencoder(found.coded),
        ]
        return Summary(
            schema=SCHEMA,
            subject=self.subject,
            conditions=self.conditions,
            origin=self.origin,
            scores=tuple(scores),
        )

    def data(self) -> dict[str, Any]:
        """Summary and single results as plain data."""
        shown = [
            {"flow": one.flow, "true_flow": one.true_flow, **to_data(one.outcome)}
            for one in self.found.shown
        ]
        clips = {
            TEXT: shown,
            **{answer.task: to_data(answer) for answer in self.found.answers},
            "physics": [to_data(one) for one in self.found.followed],
            "motion scores": [to_data(one) for one in self.found.scored],
            "autoencoder": [to_data(one) for one in self.found.coded],
        }
        return {**to_data(self.summary), "recipe": self.recipe, "clips": clips}

    def markdown(self) -> str:
        """A table for every group of scores, and a line for every prompt."""
        subject, conditions = self.subject, self.conditions
        lines = [
            f"# Score card of {subject.model}",
            "",
            f"Weights {subject.digest}, trained at level {subject.trained_level} of the toybox; "
            f"{extent(conditions)}. Intervals hold the true number with 95 % confidence.",
            "",
            f"Judged: {', '.join(conditions.judged)}.{_not_judged(conditions)} {subject.steps} "
            f"steps, guidance {subject.guidance or 'of several numbers'}.",
            "",
            f"Kineograph {self.origin.kineograph}, Python {self.origin.python}; "
            f"{self.origin.machine}.",
            *_adherence(self.summary),
            *_tables(self.summary),
            *_refused(self.found.answers),
            "",
            "| prompt | combination | asked | read otherwise |",
            "|---|---|---|---|",
            *(_row(outcome) for outcome in self.found.outcomes),
        ]
        return "\n".join(lines) + "\n"


def extent(conditions: Conditions) -> str:
    """How much was measured, in words; a small number is called a quick check."""
    count = f"{conditions.prompts} of 400 prompts of level {conditions.level}"
    return f"a quick check with {count}" if conditions.prompts < 200 else count


def write(report: Report, folder: Path) -> None:
    """Write report.json and report.md."""
    text = json.dumps(report.data(), indent=1, ensure_ascii=False) + "\n"
    for name, content in ((NAME, text), ("report.md", report.markdown())):
        with replaced(folder / name) as part:
            part.write_text(content, encoding="utf-8")


def read(path: Path) -> Summary:
    """The summary of a report.json, or of a folder with one.

    Raises:
        DataError: there is none, or it is of another version of Kineograph.
    """
    file = path / NAME if path.is_dir() else path
    if not file.exists():
        raise DataError(f"{path}: no {NAME}; expected the folder of an evaluation")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise DataError(f"{file}: no JSON; expected what `kineograph evaluate` wrote") from None
    schema = data.get("schema", 1) if isinstance(data, dict) else 1
    if schema != SCHEMA:
        raise DataError(f"{file}: schema {schema}; expected {SCHEMA}; evaluate the model again")
    names = ("schema", "subject", "conditions", "origin", "scores")
    return from_data(Summary, {name: data.get(name) for name in names})


def _not_judged(conditions: Conditions) -> str:
    if not conditions.not_judged:
        return ""
    told = ", ".join(f"{name} ({100 * one:.1f} %)" for name, one in conditions.not_judged.items())
    return f" Not judged, because the reader is not sure enough of it: {told}."


def _refused(answers: Sequence[Answer]) -> list[str]:
    """A paragraph for every task that the model cannot do."""
    return [f"\n{one.task}: cannot be done: {one.refused}" for one in answers if one.refused]


def _adherence(found: Summary) -> list[str]:
    """Attributes in rows, seen against held-out."""
    titles = ("seen", "held-out", summary.DIFFERENCE)
    names = dict.fromkeys(one.name for one in found.scores if one.group == "adherence, all")
    lines = ["", f"| attribute | {' | '.join(titles)} |", "|---|---|---|---|"]
    for name in names:
        cells = [found.find(f"adherence, {title}", name) for title in titles]
        lines.append(f"| {name} | {' | '.join(str(cell or '–') for cell in cells)} |")
    return lines


def _tables(found: Summary) -> list[str]:
    """All other groups, each as a table of its own."""
    done = {f"adherence, {title}" for title in ("seen", "held-out", summary.DIFFERENCE)}
    lines = []
    for group, scores in groupby(found.scores, key=lambda one: one.group):
        if group not in done:
            lines += ["", f"| {group} | |", "|---|---|", *_rows(scores)]
    return lines


def _rows(scores: Iterable[Score]) -> list[str]:
    return [f"| {one.name} | {one} |" for one in scores]


def _row(outcome: Outcome) -> str:
    asked = ", ".join(outcome.asked.values())
    read = ", ".join(misread(outcome))
    return f"| {outcome.text} | {'held-out' if outcome.held_out else 'seen'} | {asked} | {read} |"


def misread(outcome: Outcome) -> Sequence[str]:
    """What was read instead of what was asked, and how surely."""
    return [
        f"{key}: {outcome.read.get(key) or 'unknown'} ({outcome.confidence.get(key, 0.0):.2f})"
        for key in outcome.wrong()
    ]
