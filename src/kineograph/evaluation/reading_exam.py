"""The clips that a reader is examined with: whole scenes, rendered as the evaluation does.

Every level has scenes that obey all rules of the world and never taught a reader; they are rendered
once and kept. Shapes: N clips of 17 frames of 64 x 64 pixels at 8 frames a second.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from kineograph.evaluation.reading_moments import keep
from kineograph.toybox.render import render, times
from kineograph.toybox.scene import Scene, from_json, to_json
from kineograph.toybox.world import sample_scene

COUNTS = {1: 250, 2: 1000, 3: 1000}
"""How many clips of each level."""

FIRST_SEED = 880_000_000
"""Scenes of examinations start here; clips that teach have seeds from 900,000,000 on."""

PART = 25
"""Clips of a file."""

FRAMES, FPS, SIZE = 17, 8, (64, 64)


@dataclass(frozen=True, eq=False)
class Exam:
    """N clips (N, 17, 64, 64, 3) uint8 and their scenes."""

    video: Tensor
    scenes: Sequence[Scene]

    def first(self, count: int) -> "Exam":
        """Only the first clips."""
        return Exam(self.video[:count], self.scenes[:count])


def prepare(folder: Path, say: Callable[[str], None]) -> None:
    """Render what is missing of all examinations."""
    folder.mkdir(parents=True, exist_ok=True)
    for level, count in COUNTS.items():
        for start in range(0, count, PART):
            path = folder / f"level{level}-{start:04d}.pt"
            if not path.exists():
                seeds = range(FIRST_SEED + start, FIRST_SEED + start + PART)
                scenes = [sample_scene(level, seed, held_out=None) for seed in seeds]
                video = render(scenes, times(FRAMES, FPS), SIZE).video
                keep(path, {"video": video, "scenes": [to_json(scene) for scene in scenes]})
                say(f"examination of level {level}: {start + PART}/{count} clips")


def load(folder: Path, level: int) -> Exam:
    """The examination of a level."""
    parts = [torch.load(path) for path in sorted(folder.glob(f"level{level}-*.pt"))]
    scenes = [from_json(data) for part in parts for data in part["scenes"]]
    return Exam(torch.cat([part["video"] for part in parts]), scenes)


def strange(exam: Exam, count: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Clips that show nothing that can be read, `count` of each kind: (count, 17, 64, 64, 3) uint8.

    empty: scenes without their toys. noise: grains of every size, at rest or flickering, in
    colour. blend: two scenes in one another, each with 40 to 60 %.
    """
    gone = [
        replace(scene, toys=(replace(scene.toys[0], x=1e3),), relation=None)
        for scene in exam.scenes[:count]
    ]
    empty = render(gone, times(FRAMES, FPS), SIZE).video
    noise = torch.stack([_noise(index, generator) for index in range(count)])
    first, second = exam.video[:count].float(), exam.video[count : 2 * count].float()
    share = 0.4 + 0.2 * torch.rand((count, 1, 1, 1, 1), generator=generator)
    blend = torch.lerp(first, second, share).round().to(torch.uint8)
    return {"empty": empty, "noise": noise, "blend": blend}


def _noise(index: int, generator: torch.Generator) -> Tensor:
    """Noise of one grain, its frames all the same or each its own."""
    grain = (2, 4, 8, 16, 32, 64)[index % 6]
    frames = FRAMES if index % 2 else 1
    drawn = torch.rand((frames, 3, grain, grain), generator=generator)
    shown = torch.nn.functional.interpolate(drawn, SIZE, mode="bilinear")
    return (255 * shown).to(torch.uint8).movedim(1, -1).expand(FRAMES, -1, -1, -1)
