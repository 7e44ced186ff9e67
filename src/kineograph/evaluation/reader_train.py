"""Teaching the reader: fresh rendered clips, spoiled in every way that a model may spoil them.

Shapes: B clips of M moments of S x S pixels.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, interpolate

from kineograph.evaluation.reader import ATTRIBUTES, Reader, ReaderConfig
from kineograph.toybox.drawing import COLOURS, LEVEL_1_COLOURS
from kineograph.toybox.render import render
from kineograph.toybox.scene import Scene
from kineograph.toybox.world import sample_scene

FIRST_SEED = 900_000_000
"""Scenes that teach the reader start here; its own accuracy is measured below it."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """How the reader is taught: each step renders `fresh` clips and learns from `batch`.

    pool: the clips kept for repetition. More than one look at each clip, spoiled differently
    every time, costs less than rendering as many new ones.
    """

    steps: int = 1300
    batch: int = 48
    fresh: int = 16
    pool: int = 4096
    rate: float = 3e-3
    seed: int = 0


def train(config: ReaderConfig, lesson: Lesson, say: Callable[[str], None]) -> Reader:
    """A reader taught from nothing; `say` hears how it goes."""
    torch.manual_seed(lesson.seed)
    reader = config.build().train()
    optimiser = torch.optim.AdamW(reader.parameters(), lesson.rate, weight_decay=0.02)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, lesson.rate, lesson.steps, pct_start=0.1)
    pool = Pool(config, lesson)
    for step in range(lesson.steps):
        video, answers = pool.draw()
        with torch.autocast("cpu", torch.bfloat16):
            said = reader(spoil(video, pool.generator))
        loss = sum((_loss(said[name], answers[name]) for name in ATTRIBUTES), torch.zeros(()))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimiser.step()
        plan.step()
        if (step + 1) % 50 == 0:
            right = {name: _right(said[name], answers[name]) for name in ATTRIBUTES}
            shares = "  ".join(f"{name} {share:.2f}" for name, share in right.items())
            say(f"reader {step + 1}/{lesson.steps}  loss {loss.item():.3f}  {shares}")
    return reader.eval()


class Pool:
    """Clips in memory: some new ones every step, drawn from in any order."""

    def __init__(self, config: ReaderConfig, lesson: Lesson) -> None:
        self.config, self.lesson = config, lesson
        self.generator = torch.Generator().manual_seed(lesson.seed)
        self.random = random.Random(lesson.seed)
        self.next = FIRST_SEED + lesson.seed * 10_000_000
        shape = (lesson.pool, config.moments, config.size, config.size, 3)
        self.video = torch.empty(shape, dtype=torch.uint8)
        self.answers = {name: torch.zeros(lesson.pool, dtype=torch.long) for name in ATTRIBUTES}
        self.filled = 0

    def draw(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Render the new clips; B clips (B, M, S, S, 3) uint8, and the index of each value (B,)."""
        for _ in range(self.lesson.fresh):
            self._add()
        size = min(self.filled, self.lesson.pool)
        index = torch.randint(size, (self.lesson.batch,), generator=self.generator)
        return self.video[index], {name: found[index] for name, found in self.answers.items()}

    def _add(self) -> None:
        place = self.filled % self.lesson.pool
        scene = self._scene()
        size = (self.config.size, self.config.size)
        self.video[place] = render([scene], self._moments(), size).video[0]
        for name, value in answers_of(scene).items():
            self.answers[name][place] = ATTRIBUTES[name].index(value)
        self.filled += 1

    def _scene(self) -> Scene:
        """Any level-1 scene; sometimes in one of the colours that level 1 does not have."""
        scene = sample_scene(1, self.next, held_out=None)
        self.next += 1
        if self.random.random() < 0.1:
            others = [colour for colour in COLOURS if colour not in LEVEL_1_COLOURS]
            toy = replace(scene.toys[0], colour=self.random.choice(others))
            scene = replace(scene, toys=(toy,))
        return scene

    def _moments(self) -> Tensor:
        """M moments within the two seconds of a scene: all of it or a part, not quite even."""
        span = self.random.choice((2.0, self.random.uniform(1.2, 2.0)))
        start = self.random.uniform(0, 2.0 - span)
        even = torch.linspace(0, span, self.config.moments, dtype=torch.float64)
        shaken = torch.rand(len(even), generator=self.generator, dtype=torch.float64) - 0.5
        return (start + even + 0.1 * shaken).clamp(0, 2)


def answers_of(scene: Scene) -> dict[str, str]:
    """What the reader should say of a level-1 scene."""
    toy = scene.toys[0]
    return {
        "colour": toy.colour,
        "shape": toy.shape,
        "motion": toy.motion,
        "floor": scene.floor.kind,
    }


def spoil(video: Tensor, generator: torch.Generator) -> Tensor:
    """Clips as a bad camera or a model would show them, each spoiled to a degree of its own.

    Args:
        video: (B, M, S, S, 3) uint8.
        generator: decides what happens to each clip.

    Returns:
        (B, M, 3, S, S) in [-1, 1].
    """
    x = video.movedim(-1, 2).float() / 255
    drawn = torch.rand((len(x), 3), generator=generator)
    return soiled(_moved(x, 2 * drawn - 1), generator) * 2 - 1


def soiled(x: Tensor, generator: torch.Generator) -> Tensor:
    """`spoil` without moving anything: (B, M, 3, S, S) in [0, 1], colours and sharpness changed."""
    count, moments, _, side, _ = x.shape

    def degree(low: float, high: float, *shape: int) -> Tensor:
        """Uniform numbers, one for each clip and entry of the shape that ends in (3, S, S)."""
        drawn = torch.rand((count, *(shape or (1, 1, 1, 1))), generator=generator)
        return low + (high - low) * drawn

    def noise(*shape: int) -> Tensor:
        return torch.randn((count, moments, *shape), generator=generator)

    x = (x - 0.5) * degree(0.85, 1.15) * degree(0.92, 1.08, 1, 3, 1, 1) + 0.5
    x = x + degree(-0.08, 0.08)
    small = int(side / (1.5 + 2 * float(torch.rand((), generator=generator))))
    x = torch.lerp(x, _coarse(x, small), degree(-0.5, 1).clamp(min=0))
    before = torch.cat([x[:, :1], x[:, :-1]], dim=1)
    x = torch.lerp(x, before, degree(-0.3, 0.45).clamp(min=0))
    patches = interpolate(noise(3, 8, 8).flatten(0, 1), (side, side)).reshape(x.shape)
    x = x + patches * degree(-0.03, 0.06).clamp(min=0)
    x = x + noise(3, side, side) * degree(-0.04, 0.12).clamp(min=0)
    return x.clamp(0, 1)


def _moved(x: Tensor, degree: Tensor) -> Tensor:
    """Each clip shifted by up to 3 pixels of 64 and scaled by up to a tenth; degree (B, 3)."""
    matrix = torch.zeros(len(x), 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1 + 0.1 * degree[:, 0]
    matrix[:, :, 2] = 0.1 * degree[:, 1:]
    stacked = x.flatten(1, 2)
    grid = affine_grid(matrix, list(stacked.shape), align_corners=False)
    moved = grid_sample(stacked, grid, padding_mode="border", align_corners=False)
    return moved.reshape(x.shape)


def _coarse(x: Tensor, side: int) -> Tensor:
    """Reduced to `side` pixels and enlarged again."""
    flat = x.flatten(0, 1)
    small = interpolate(flat, (side, side), mode="bilinear", antialias=True)
    return interpolate(small, x.shape[-2:], mode="bilinear").reshape(x.shape)


def accuracy(
    reader: Reader,
    scenes: Sequence[Scene],
    spoiled: Callable[[Tensor], Tensor] = lambda video: video,
) -> dict[str, float]:
    """The share of scenes of which each attribute is read right, and `all` of them.

    Clips have 17 frames of 64 x 64 at 8 frames a second; `spoiled` changes them, (B, T, Y, X, 3)
    uint8 to the same.
    """
    times = torch.arange(17, dtype=torch.float64) / 8
    right = dict.fromkeys((*ATTRIBUTES, "all"), 0)
    for start in range(0, len(scenes), 16):
        part = scenes[start : start + 16]
        readings = reader.read(spoiled(render(part, times, (64, 64)).video))
        for scene, reading in zip(part, readings, strict=True):
            hits = {name: reading.values[name] == true for name, true in answers_of(scene).items()}
            for name, hit in hits.items():
                right[name] += hit
            right["all"] += all(hits.values())
    return {name: count / len(scenes) for name, count in right.items()}


def _loss(logits: Tensor, answer: Tensor) -> Tensor:
    """Every moment must know the answer by itself: (B, M or 1, values) and (B,)."""
    repeated = answer[:, None].expand(logits.shape[:2])
    return cross_entropy(logits.float().flatten(0, 1), repeated.flatten(), label_smoothing=0.02)


def _right(logits: Tensor, answer: Tensor) -> float:
    return float((logits.mean(1).argmax(-1) == answer).float().mean())
