"""`kineograph evaluate`: the score card of a model."""

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from kineograph.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from kineograph.evaluation.prompts import Prompt
    from kineograph.evaluation.report import Conditions, Found, Origin, Report, Subject
    from kineograph.evaluation.ruler import Form, Ruler
    from kineograph.generation.generator import Generator
    from kineograph.parallel.replicas import Replicas

STAMP = "model.json"


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a model on fixed prompts, pictures and clips whose truth is known: a score card."""

    model: Annotated[str, "recipe name (see `kineograph models`) or weights folder"]
    prompts: Annotated[int, "how many of the 400 fixed prompts; 40 is a quick check"] = 400
    level: Annotated[int | None, "of the prompts, 1 to 3; default: the one it was trained at"] = (
        None
    )
    given: Annotated[int | None, "clips of each task; default: an eighth of the prompts"] = None
    clips: Annotated[int | None, "clips for the autoencoder; default: as for the tasks"] = None
    scores: Annotated[int, "prompts to ask with four motion scores each, if trained so"] = 0
    batch: Annotated[int, "clips that are made at once"] = 4
    processes: Annotated[int, "processes of one thread each that share the work"] = 1
    out: Annotated[Path | None, "folder of the results; default: runs/evaluation/DIGEST"] = None
    device: Annotated[str, "where to compute: auto, cpu, cuda, ..."] = "auto"
    set: Annotated[tuple[str, ...], "recipe override, e.g. sampling.steps=40"] = ()

    def run(self) -> None:
        """Evaluate, or go on where the folder's results end."""
        from kineograph.evaluation import prompts
        from kineograph.parallel import replicas

        self._check(prompts.COUNT)
        replicas.run(_work, self.processes, self)

    def share(self, place: "Replicas") -> None:
        """What one of several processes does."""
        from kineograph.evaluation import prompts, reader
        from kineograph.evaluation.ruler import Ruler

        bench = self._bench()
        level = self.level or bench.trained_level()
        asked = prompts.load(level=level)
        ruler = Ruler(reader.judge(level), reader.load(), bench.form())
        conditions = bench.conditions(ruler, level, self._counts())
        about = bench.about(conditions)
        folder = self.out or Path("runs/evaluation") / short(about)
        if place.first:
            stamp(folder, about)
        place.wait()
        found = self._measure(_Desk(bench, ruler, folder, place), asked, conditions)
        if place.first:
            write(bench.report(conditions, found), ruler, asked, folder)

    def _measure(
        self, desk: "_Desk", asked: "Sequence[Prompt]", conditions: "Conditions"
    ) -> "Found":
        """Make, read and compare all clips."""
        from kineograph.evaluation.coding import Coding
        from kineograph.evaluation.given_clips import TASKS, Completing
        from kineograph.evaluation.motion_scores import scored
        from kineograph.evaluation.physics import Following
        from kineograph.evaluation.report import Found
        from kineograph.evaluation.text_clips import Making

        bench, ruler, folder, place = desk.bench, desk.ruler, desk.folder, desk.place
        say, given = partial(print, flush=True), asked[: conditions.given]
        making = Making(bench.generate, ruler, folder, say, self.batch, place)
        completing = Completing(bench.complete, ruler, folder, say, place)
        following = Following(bench.complete, ruler, folder, say, place)
        coding = Coding(bench.reconstruct, ruler, folder, say, place)
        return Found(
            shown=making.clips(asked[: conditions.prompts]),
            answers=tuple(completing.answer(task, given) for task in TASKS),
            followed=following.answer(asked, conditions.physics),
            scored=scored(bench.generate, asked[: conditions.scores], folder, say, place),
            coded=coding.clips(asked[: conditions.coded]),
        )

    def _counts(self) -> tuple[int, int, int, int, int]:
        """How many prompts, clips of each task, laws, motion scores, clips to code."""
        given = self.given or max(2, self.prompts // 8)
        return self.prompts, given, max(2, given // 2), self.scores, self.clips or given

    def _check(self, most: int) -> None:
        counts = {"prompts": self.prompts, "given": self.given, "clips": self.clips}
        for name, count in counts.items():
            if count is not None and not 1 <= count <= most:
                raise ConfigError(f"--{name} {count}: expected 1 to {most}")
        if not 0 <= self.scores <= most:
            raise ConfigError(f"--scores {self.scores}: expected 0 to {most}")
        for name, count in {"batch": self.batch, "processes": self.processes}.items():
            if count < 1:
                raise ConfigError(f"--{name} {count}: expected 1 or more")

    def _bench(self) -> "Bench":
        from kineograph.generation.generator import Generator

        generator = Generator.load(self.model, overrides=self.set, device=self.device)
        return Bench(generator, self.batch)


@dataclass(frozen=True, eq=False)
class Bench:
    """A generator as the evaluation sees it: functions of plain frames."""

    generator: "Generator"
    batch: int

    def generate(self, texts: Sequence[str], seeds: Sequence[int]) -> "Tensor":
        """Clips (B, T, Y, X, 3) uint8.

        The batch is always filled up, with its last row, so that a clip does not depend on how
        many others were asked for.
        """
        import torch

        more = self.batch - len(texts)
        drafts = self.generator.drafts(
            [*texts, *[texts[-1]] * more], seeds=[*seeds, *[seeds[-1]] * more]
        )
        clips = [self.generator.decode(draft).video for draft in drafts[: len(texts)]]
        return torch.stack(clips).cpu()

    def complete(self, task: str, given: "Tensor", text: str, seed: int) -> "Tensor":
        """A clip (T, Y, X, 3) uint8 around given frames (t, Y, X, 3) of one of the tasks."""
        from kineograph.generation.request import Request

        frames = self.form().frames
        request = {
            "image-to-video": Request(seed=seed, image=given[0]),
            "continuation": Request(seed=seed, video=given, frames=frames),
            "transition": Request(seed=seed, image=given[0], last_image=given[-1]),
            "interpolation": Request(seed=seed, video=given, frames=frames, task="interpolate"),
        }[task]
        return self.generator.generate(text, request).video.cpu()

    def reconstruct(self, clip: "Tensor") -> "Tensor":
        """A clip (T, Y, X, 3) uint8 through the autoencoder and back."""
        import torch

        from kineograph.media.resize import to_uint8, to_unit

        parts = self.generator.parts
        video = to_unit(clip).to(parts.place.device)
        with torch.inference_mode(), parts.place.autocast():
            return to_uint8(
                parts.autoencoder.decode(parts.autoencoder.encode(video), len(clip))
            ).cpu()

    def form(self) -> "Form":
        """The clips that the recipe makes unless told otherwise."""
        from kineograph.evaluation.ruler import Form

        parts = self.generator.parts
        sampling = parts.recipe.sampling

        def legal(frames: int) -> int:
            found = parts.autoencoder.nearest(frames, sampling.height, sampling.width).frames
            return min(found, sampling.frames - 1)

        return Form(
            frames=sampling.frames,
            height=sampling.height,
            width=sampling.width,
            fps=sampling.fps,
            half=legal((sampling.frames + 1) // 2),
            quarter=legal((sampling.frames + 3) // 4),
        )

    def trained_level(self) -> int:
        """The level of the toybox that the recipe says it is trained at."""
        return self.generator.parts.recipe.cache.level

    def conditions(self, ruler: "Ruler", level: int, counts: Sequence[int]) -> "Conditions":
        """How it is measured."""
        from kineograph.checkpoints import files
        from kineograph.evaluation import prompts, reader
        from kineograph.evaluation.reading import certified
        from kineograph.evaluation.report import Conditions

        told, judge = prompts.file(level).read_bytes(), ruler.judge
        weights = [files.digest(path) for path in sorted(reader.SHIPPED.glob("*.safetensors"))]
        judged = certified(judge)
        read = {name: share for name, share in judge.accuracy.items() if name != "all"}
        asked, given, physics, scores, coded = counts
        return Conditions(
            level=level,
            prompts=asked,
            given=given,
            physics=physics,
            scores=scores,
            coded=coded,
            form=ruler.form,
            prompts_digest=hashlib.sha256(told).hexdigest()[:12],
            judge_digest=hashlib.sha256("".join(weights).encode()).hexdigest()[:12],
            judged=judged,
            not_judged={name: share for name, share in read.items() if name not in judged},
        )

    def report(self, conditions: "Conditions", found: "Found") -> "Report":
        """What was found, with what it is about."""
        from kineograph.evaluation.report import Report

        return Report(
            subject=self.subject(),
            conditions=conditions,
            origin=self.origin(),
            recipe=self.recipe(),
            found=found,
        )

    def about(self, conditions: "Conditions") -> str:
        """Everything that single results depend on, as text; counts say nothing about them."""
        from kineograph.config import to_data

        every = replace(conditions, prompts=0, given=0, physics=0, scores=0, coded=0)
        parts = {
            "subject": to_data(self.subject()),
            "conditions": to_data(every),
            "origin": to_data(self.origin()),
            "recipe": self.recipe(),
        }
        return json.dumps(parts, indent=1) + "\n"

    def subject(self) -> "Subject":
        """What is measured."""
        from kineograph.evaluation.report import Subject

        generator, recipe = self.generator, self.generator.parts.recipe
        return Subject(
            model=recipe.name,
            digest=generator.parts.digest,
            trained_level=self.trained_level(),
            steps=recipe.sampling.steps,
            guidance=recipe.guidance.scale,
            overrides=generator.overrides,
        )

    def origin(self) -> "Origin":
        """Program versions and machine."""
        from kineograph import __version__
        from kineograph.evaluation.report import Origin

        return Origin(
            kineograph=__version__,
            python=platform.python_version(),
            machine=self.generator.parts.place.machine(),
            batch=self.batch,
        )

    def recipe(self) -> dict[str, Any]:
        """The recipe as plain data."""
        from kineograph.config import to_data

        data: dict[str, Any] = to_data(self.generator.parts.recipe)
        return data


def short(about: str) -> str:
    """12 digits that stand for a text."""
    return hashlib.sha256(about.encode()).hexdigest()[:12]


@dataclass(frozen=True, eq=False)
class _Desk:
    """What measures, and where the results go; the work may be shared with other processes."""

    bench: Bench
    ruler: "Ruler"
    folder: Path
    place: "Replicas"


def _work(place: "Replicas", command: Evaluate) -> None:
    command.share(place)


def write(results: "Report", ruler: "Ruler", asked: "Sequence[Prompt]", folder: Path) -> None:
    """Write the card, as numbers, tables and pictures."""
    from kineograph.evaluation import card, report, sheets

    report.write(results, folder)
    sheets.write(results, ruler, asked, folder)
    drawn = card.write(results, folder)
    print(f"{drawn}: the score card; report.md, sheet.png and tasks.png beside it")


def stamp(folder: Path, about: str) -> None:
    """Say in the folder whose results it holds; refuse one that holds others.

    Raises:
        ConfigError: it does.
    """
    path = folder / STAMP
    if path.exists() and path.read_text(encoding="utf-8") != about:
        raise ConfigError(
            f"{folder}: holds the results of other weights, settings or machines; "
            "expected a new folder, or none to choose one by itself"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(about, encoding="utf-8")
