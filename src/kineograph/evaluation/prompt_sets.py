"""How the files of prompts were made: drawn one after the other, each of what was drawn least.

Any first part of a file is balanced over motions, combinations, colours and shapes, and floors, and
holds as many held-out combinations as seen ones. `write` makes a file again, always the same.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice

from kineograph.config import to_data
from kineograph.evaluation.prompts import COUNT, Prompt, file
from kineograph.evaluation.reading import VALUES
from kineograph.toybox.captions import attributes, caption, parse
from kineograph.toybox.scene import Scene
from kineograph.toybox.world import sample_scene

FIRST_SEED = 800_000_000
LEVEL_1 = ("colour", "shape", "motion", "floor")
"""What is asked of level 1, where everything else is the same in every scene."""


@dataclass(frozen=True)
class Kind:
    """Scenes of one level with so many toys (0: any number), drawn from some candidates."""

    level: int
    toys: int
    candidates: int
    offset: int = 0


ONE, ANY = Kind(1, 0, 1_000), Kind(2, 0, 500)
MIX = (
    *(Kind(1, 1, 300, 10_000), Kind(2, 1, 300, 10_000)) * 3,
    *(Kind(3, 2, 110),) * 3,
    Kind(3, 3, 40, 20_000),
)
"""Level 3 asks for everything: of ten prompts six have one toy, three have two, one has three."""

ORDER: dict[int, tuple[Kind, ...]] = {1: (ONE,), 2: (ANY,), 3: MIX}
"""Kinds of the prompts of a file, repeated; of each kind every second one is held out."""


def make(level: int) -> tuple[Prompt, ...]:
    """The prompts of a level's file."""
    kinds = {kind: _alternating(kind) for kind in dict.fromkeys(ORDER[level])}
    order = ORDER[level] * COUNT
    return tuple(islice((next(kinds[kind]) for kind in order), COUNT))


def write(level: int) -> None:
    """Make the file of a level anew, after the world or its words have changed."""
    lines = (json.dumps(_plain(prompt)) + "\n" for prompt in make(level))
    file(level).write_text("".join(lines), encoding="utf-8")


def prompt(level: int, seed: int, *, held_out: bool, toys: int | None = None) -> Prompt:
    """The prompt of a scene: terse or rich, its words and their order as the seed decides."""
    scene = sample_scene(level, seed, held_out=held_out, toys=toys)
    text = caption(scene, random.Random(f"prompt {seed}"))
    return Prompt(text=text, seed=seed, held_out=held_out, asked=asked_of(text, scene), level=level)


def asked_of(text: str, scene: Scene) -> dict[str, str]:
    """What a sentence about a scene asks for, of what a reader can know."""
    said = parse(text)
    if scene.level == 1:
        return {name: value for name, value in said.items() if name in LEVEL_1}
    said = {name: value for name, value in said.items() if name.rstrip("23") in VALUES}
    return {**said, "count": str(len(scene.toys))}


def _plain(prompt: Prompt) -> dict[str, object]:
    """As data; level 1 goes without saying."""
    data: dict[str, object] = to_data(prompt)
    if prompt.level == 1:
        del data["level"]
    return data


def _alternating(kind: Kind) -> Iterator[Prompt]:
    """Seen and held-out prompts in turn."""
    pairs = zip(_balanced(kind, held_out=False), _balanced(kind, held_out=True), strict=False)
    return chain.from_iterable(pairs)


def _balanced(kind: Kind, *, held_out: bool) -> Iterator[Prompt]:
    """Prompts drawn one after the other, each of what was drawn least so far."""
    first = FIRST_SEED + kind.offset
    toys = kind.toys or None
    left = {
        seed: attributes(sample_scene(kind.level, seed, held_out=held_out, toys=toys))
        for seed in range(first, first + kind.candidates)
    }
    drawn: Counter[object] = Counter()
    texts: set[str] = set()
    often = _level_1_often if kind.level == 1 else _often
    while left:
        seed = min(left, key=lambda seed: often(drawn, left[seed]))
        true = left.pop(seed)
        made = prompt(kind.level, seed, held_out=held_out, toys=toys)
        if made.text in texts:
            continue
        texts.add(made.text)
        drawn.update(_counted(true))
        yield made


def _counted(true: Mapping[str, str]) -> list[object]:
    """What is counted of a drawn scene."""
    return [*(true.items()), (true["colour"], true["shape"], true["motion"])]


Often = Callable[[Counter[object], Mapping[str, str]], tuple[int, ...]]


def _level_1_often(drawn: Counter[object], true: Mapping[str, str]) -> tuple[int, ...]:
    """How often what is true of a scene was drawn: motion, combination, looks, floor."""
    looks = drawn["colour", true["colour"]] + drawn["shape", true["shape"]]
    combination = true["colour"], true["shape"], true["motion"]
    return drawn["motion", true["motion"]], drawn[combination], looks, drawn["floor", true["floor"]]


def _often(drawn: Counter[object], true: Mapping[str, str]) -> tuple[int, ...]:
    """The same, with relations first, and with cameras and times of day beside floors."""
    relation = drawn["relation", true.get("relation", "")]
    motion, combination, looks, floor = _level_1_often(drawn, true)
    around = drawn["camera", true["camera"]] + drawn["backdrop", true["backdrop"]]
    return relation, motion, combination, looks, floor + around
