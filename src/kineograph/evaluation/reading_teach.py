"""Teaching the eyes: steps over clips on disk, that can be stopped and gone on with at any time."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from kineograph.evaluation.reading_clips import Clips, files, fresh, load
from kineograph.evaluation.reading_lessons import LESSONS
from kineograph.evaluation.reading_moments import keep
from kineograph.evaluation.reading_notes import joined, note
from kineograph.evaluation.reading_variants import varied
from kineograph.evaluation.reading_watcher import Watcher


@dataclass(frozen=True, kw_only=True)
class Course:
    """How one of the eyes is taught.

    steps: until the end; the last third of them slow down to a rest. batch: clips of a step.
    save: seconds between two states on disk.
    """

    steps: int
    batch: int = 24
    rate: float = 2e-3
    seed: int = 0
    save: float = 60.0

    def rate_at(self, step: int) -> float:
        """Share of the rate: a short start, a long plateau, a straight way down."""
        rest = self.steps / 3
        return min(1.0, (step + 1) / 100, (self.steps - step) / rest)


CLIPS = 96
"""Files of clips that are rendered, of `FILE` clips each."""

FILE = 256
NOTES = 2 * CLIPS
"""Files of notes: every clip is watched twice, mirrored or backwards by chance."""

MIND_STEPS = 4000

COURSES: Mapping[str, Course] = {
    "finder": Course(steps=800),
    "looker": Course(steps=900),
    "turner": Course(steps=3000),
    "drift": Course(steps=2400),
}
"""How each of the eyes is taught."""

FIRST_SEED = 1_000_000_000
"""Scenes that teach start here; no examination has such seeds."""


def render_clips(folder: Path, count: int, say: Callable[[str], None]) -> None:
    """Render what is missing of so many files of clips."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"clips-{number:04d}.pt"
        if not path.exists():
            keep(path, vars(fresh(FIRST_SEED + FILE * number, FILE)))
            say(f"clips {number + 1}/{count}")


class Library:
    """The clips of a folder, as many as there are by now."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.generator = torch.Generator().manual_seed(seed)
        self.parts: dict[Path, Clips] = {}

    def refresh(self) -> int:
        """Open new files; how many clips there are."""
        for path in files(self.folder):
            if path not in self.parts:
                self.parts[path] = load(path)
        return sum(len(part) for part in self.parts.values())

    def draw(self, count: int) -> Clips:
        """Any clips, mirrored or backwards by chance."""
        parts = list(self.parts.values())
        rows = []
        for number in torch.randint(len(parts), (count,), generator=self.generator).tolist():
            part = parts[number]
            place = torch.randint(len(part), (1,), generator=self.generator)
            rows.append(vars(part.at(place)).values())
        clips = Clips(*(torch.cat(column) for column in zip(*rows, strict=True)))
        return varied(clips, self.generator)


def assemble(folder: Path) -> Watcher:
    """A reader of the eyes as taught so far; its mind is of random weights until it is taught."""
    watcher = Watcher()
    for name in LESSONS:
        kept = torch.load(folder / f"{name}.pt")["mean"]
        start = "module.learner."
        own = {key.removeprefix(start): kept[key] for key in kept if key.startswith(start)}
        watcher.get_submodule(name).load_state_dict(own)
    mind = folder / "mind.pt"
    if mind.exists():
        watcher.mind.load_state_dict(torch.load(mind))
    return watcher.eval().requires_grad_(False)


def take_notes(folder: Path, numbers: Iterable[int], say: Callable[[str], None]) -> None:
    """Watch each file of clips and its variants, as many times as there are numbers for it."""
    watcher = assemble(folder)
    paths = list(files(folder / "clips"))
    for number in numbers:
        path = folder / "notes" / f"notes-{number:04d}.pt"
        path.parent.mkdir(exist_ok=True)
        if path.exists():
            continue
        generator = torch.Generator().manual_seed(number)
        clips = varied(load(paths[number % len(paths)]), generator)
        parts = torch.split(torch.arange(len(clips)), 32)
        rows = [note(watcher, clips.at(part), generator).plain() for part in parts]
        keep(path, joined(rows).plain())
        say(f"notes {number}")


def _average(means: Sequence[Tensor], values: Sequence[Tensor], count: Tensor | int) -> None:
    """A mean over the last ninth of all steps, 500 at most: older weights would spoil it."""
    share = max(0.002, 9 / (int(count) + 10))
    for mean, value in zip(means, values, strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, share)
        else:
            mean.copy_(value)


def teach(name: str, course: Course, folder: Path, say: Callable[[str], None]) -> None:
    """Teach one of the eyes with the clips in `folder`/clips; its state is kept in `folder`.

    Args:
        name: finder, looker or drift.
        course: how long and how fast.
        folder: clips, and the state to go on from.
        say: hears the losses.
    """
    torch.manual_seed(course.seed)
    lesson = LESSONS[name]().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean = AveragedModel(lesson, multi_avg_fn=_average, use_buffers=True)
    optimiser = torch.optim.AdamW(lesson.parameters(), course.rate, weight_decay=0.02)
    state = folder / f"{name}.pt"
    step = 0
    if state.exists():
        kept = torch.load(state)
        step = kept["step"]
        lesson.load_state_dict(kept["lesson"])
        mean.load_state_dict(kept["mean"])
        optimiser.load_state_dict(kept["optimiser"])
    library = Library(folder / "clips", course.seed + step)
    clips = library.refresh()
    saved = time.monotonic()
    heard: dict[str, float] = {}
    while step < course.steps:
        if step % 50 == 0:
            clips = library.refresh()
        for group in optimiser.param_groups:
            group["lr"] = course.rate * course.rate_at(step)
        losses = lesson.losses(library.draw(course.batch), library.generator)
        loss = torch.stack(list(losses.values())).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(lesson.parameters(), 2.0)
        optimiser.step()
        mean.update_parameters(lesson)
        step += 1
        for key, value in losses.items():
            heard[key] = 0.98 * heard.get(key, value.item()) + 0.02 * value.item()
        if step % 50 == 0:
            means = "  ".join(f"{key} {value:.3f}" for key, value in heard.items())
            say(f"{name} {step}/{course.steps} ({clips} clips)  {means}")
        if time.monotonic() - saved > course.save or step == course.steps:
            saved = time.monotonic()
            data = {"step": step, "lesson": lesson.state_dict(), "mean": mean.state_dict()}
            keep(state, {**data, "optimiser": optimiser.state_dict()})
