"""Teach the readers and measure them: `python benchmarks/reader.py [teach|measure] [--level 1|3]`.

Level 1 takes about eight minutes of one CPU core; it writes reader.safetensors and reader.json.
Level 3 (which reads level 2 too) takes about an hour of one core, in parts that can be stopped,
gone on with, and run side by side (`--part`); it writes watcher.safetensors, watcher.json and, with
`--tables`, a page of confusion tables. What is measured never taught a reader.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from kineograph.checkpoints import files
from kineograph.config import to_data
from kineograph.evaluation import reading_exam, reading_notes, reading_watcher
from kineograph.evaluation.reader import SHIPPED, STILL, Reader, ReaderConfig, load
from kineograph.evaluation.reader_train import Lesson, accuracy, train
from kineograph.evaluation.reading_measure import Marks, Spoil, confident, mark, table
from kineograph.evaluation.reading_moments import keep
from kineograph.evaluation.reading_teach import (
    CLIPS,
    COURSES,
    MIND_STEPS,
    NOTES,
    assemble,
    render_clips,
    take_notes,
    teach,
)
from kineograph.evaluation.share import Share
from kineograph.generation.generator import Generator
from kineograph.media.decode import read_video
from kineograph.media.encode import write_video
from kineograph.media.resize import to_uint8, to_unit
from kineograph.toybox.world import sample_scene

SCENES = 1000
FIRST = 890_000_000
PARTS = ("clips", *COURSES, "notes", "mind", "pack")
STRANGE = 67
"""Clips of each of three kinds that show nothing readable."""

CODED = 200
"""Clips of each level that go through the autoencoder, which takes a second each."""

Say = Callable[[str], None]


def noisy(video: Tensor, sigma: float) -> Tensor:
    """With normal noise of `sigma` grey levels."""
    noise = torch.randn(video.shape, generator=torch.Generator().manual_seed(0))
    return (video + sigma * noise).clamp(0, 255).to(torch.uint8)


def blurred(video: Tensor, side: int) -> Tensor:
    """Through pictures of side x side pixels and back."""
    flat = video.flatten(0, 1).movedim(-1, 1).float()
    small = interpolate(flat, (side, side), mode="bilinear", antialias=True)
    large = interpolate(small, video.shape[2:4], mode="bilinear").clamp(0, 255).to(torch.uint8)
    return large.movedim(1, -1).reshape(video.shape)


def compressed(video: Tensor) -> Tensor:
    """Through an H.264 file, as `kineograph generate` writes them."""
    with tempfile.TemporaryDirectory() as folder:
        clips = []
        for number, clip in enumerate(video):
            path = Path(folder) / f"{number}.mp4"
            write_video(path, clip, 8)
            clips.append(read_video(path).frames)
    return torch.stack(clips)


def coded(video: Tensor, generator: Generator) -> Tensor:
    """Through the autoencoder of the shipped model."""
    model = generator.parts.autoencoder
    with torch.inference_mode():
        return torch.stack(
            [to_uint8(model.decode(model.encode(to_unit(clip)), len(clip))) for clip in video]
        )


def first_frame(video: Tensor) -> Tensor:
    """One picture of each clip."""
    return video[:, :1]


def measure(reader: Reader) -> dict[str, dict[str, float]]:
    """Accuracy as rendered, spoiled, and on single pictures (whose motion says nothing)."""
    scenes = [sample_scene(1, FIRST + k, held_out=None) for k in range(SCENES)]
    held_out = [sample_scene(1, FIRST + k, held_out=True) for k in range(SCENES)]
    single = accuracy(reader, scenes, first_frame)
    return {
        "rendered": accuracy(reader, scenes),
        "held-out combinations": accuracy(reader, held_out),
        "noise of 20 grey levels": accuracy(reader, scenes, partial(noisy, sigma=20)),
        "blurred through 32x32": accuracy(reader, scenes, partial(blurred, side=32)),
        "blurred through 20x20": accuracy(reader, scenes, partial(blurred, side=20)),
        "first frame only": {name: single[name] for name in STILL},
    }


def teach_level_1(folder: Path) -> None:
    """Teach a reader, write its weights and how it was taught."""
    config, lesson = ReaderConfig(), Lesson()
    started = time.process_time()
    reader = train(config, lesson, partial(print, flush=True))
    seconds = time.process_time() - started
    files.write(folder / "reader.safetensors", halved(reader), {"part": "reader"})
    about = {
        "level": 1,
        "config": to_data(config),
        "lesson": to_data(lesson),
        "cpu_seconds": round(seconds),
    }
    write(folder / "reader.json", about)


def teach_level_3(work: Path, out: Path, parts: tuple[str, ...], say: Say) -> None:
    """Do these parts, each where its last run stopped."""
    for part in parts:
        if part == "clips":
            render_clips(work / "clips", CLIPS, say)
        elif part in COURSES:
            teach(part, COURSES[part], work, say)
        elif part == "notes":
            take_notes(work, range(NOTES), say)
        elif part == "mind":
            notes = reading_notes.load(work / "notes")
            mind = reading_notes.teach_mind(notes, MIND_STEPS, say)
            keep(work / "mind.pt", mind.state_dict())
        else:
            watcher = assemble(work)
            files.write(out / "watcher.safetensors", halved(watcher), {"part": "reader"})
            write(out / "watcher.json", {"clips": CLIPS, "courses": to_data(COURSES)})


def halved(model: torch.nn.Module) -> dict[str, Tensor]:
    """Weights as bfloat16."""
    return {
        name: value.bfloat16() if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }


def write(path: Path, about: Mapping[str, object]) -> None:
    """Write what is known of a reader."""
    path.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def measure_level_1(folder: Path) -> None:
    """Measure the reader of level 1 and write down how good it is."""
    path = folder / "reader.json"
    about = json.loads(path.read_text(encoding="utf-8"))
    about["accuracy"] = {"scenes": SCENES, **measure(load(folder))}
    write(path, about)
    print(json.dumps(about["accuracy"], indent=1))


def measure_level_3(work: Path, folder: Path, tables: Path | None, say: Say) -> None:
    """Measure the reader of all levels: as rendered, after H.264 and an autoencoder, nonsense."""
    reading_exam.prepare(work / "exam", say)
    path = folder / "watcher.json"
    about = json.loads(path.read_text(encoding="utf-8"))
    watcher = reading_watcher.read(folder)
    generator = Generator.load("toybox", device="cpu")
    spoils: Mapping[str, Spoil | None] = {
        "as rendered": None,
        "after H.264": compressed,
        "after the autoencoder": partial(coded, generator=generator),
    }
    about["accuracy"], page = {}, ["# What the reader takes for what", ""]
    for level in reading_exam.COUNTS:
        exam = reading_exam.load(work / "exam", level)
        found: dict[str, Marks] = {}
        for name, spoil in spoils.items():
            asked = exam.first(CODED) if name == "after the autoencoder" else exam
            seen, held_out = mark(watcher, asked, spoil)
            found[name] = seen.together(held_out)
            if spoil is None:
                found["held-out combinations"] = held_out
        shares = {name: marks.shares() for name, marks in found.items()}
        about["accuracy"][f"level {level}"] = {
            name: {key: round(share.value, 4) for key, share in row.items()}
            for name, row in shares.items()
        }
        for name, row in shares.items():
            say(f"level {level}, {name}: " + ", ".join(f"{k} {v}" for k, v in row.items()))
        page += tables_of(level, found["as rendered"], shares)
    exam = reading_exam.load(work / "exam", 2)
    odd = reading_exam.strange(exam, STRANGE, torch.Generator().manual_seed(0))
    sure = {kind: confident(watcher, video) for kind, video in odd.items()}
    about["sure of nonsense"] = {
        kind: {"clips": share.total, "sure": share.right} for kind, share in sure.items()
    }
    say(f"sure of nonsense: {about['sure of nonsense']}")
    write(path, about)
    if tables is not None:
        tables.write_text("\n".join(page), encoding="utf-8")


def tables_of(level: int, marks: Marks, shares: Mapping[str, Mapping[str, Share]]) -> list[str]:
    """The shares of a level and its confusion tables, as Markdown."""
    names = [*shares["as rendered"]]
    lines = [f"## Level {level}", "", f"| | {' | '.join(shares)} |", f"|---{'|---' * len(shares)}|"]
    for name in names:
        lines.append(
            f"| {name} | {' | '.join(str(row.get(name, '')) for row in shares.values())} |"
        )
    lines.append("")
    for name in names[:-1]:
        lines += [f"### {name}, level {level}", "", *table(marks.seen[name]), ""]
    return lines


def main() -> None:
    """Teach if asked to; then read back, measure, write the accuracy."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("job", choices=("teach", "measure"), default="teach", nargs="?")
    options.add_argument("--level", type=int, choices=(1, 3), default=1)
    options.add_argument("--out", type=Path, default=SHIPPED)
    options.add_argument("--work", type=Path, default=Path("runs/reader"))
    options.add_argument("--part", choices=PARTS, action="append")
    options.add_argument("--tables", type=Path)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    say = partial(print, flush=True)
    if chosen.level == 1:
        if chosen.job == "teach":
            teach_level_1(chosen.out)
        measure_level_1(chosen.out)
        return
    if chosen.job == "teach":
        teach_level_3(chosen.work, chosen.out, tuple(chosen.part or PARTS), say)
    if chosen.part is None:
        measure_level_3(chosen.work, chosen.out, chosen.tables, say)


if __name__ == "__main__":
    main()
