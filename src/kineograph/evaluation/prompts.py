"""The fixed prompts of level 1, and how they were made.

400 sentences lie in `level1.jsonl`; every second one is about a combination of shape, colour and
motion that no training run sees. Any first part of them is balanced: over motions first, then over
combinations, colours and shapes, and floors.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from kineograph.config import from_data, to_data
from kineograph.errors import ConfigError
from kineograph.evaluation.reader import ATTRIBUTES
from kineograph.toybox.captions import attributes, caption, parse
from kineograph.toybox.scene import Scene
from kineograph.toybox.world import sample_scene

LEVEL = 1
FILE = Path(__file__).with_name("level1.jsonl")
COUNT = 400
FIRST_SEED = 800_000_000
CANDIDATES = 1_000


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A sentence and what it asks for.

    seed: of the scene that the sentence describes, and of the noise that its video starts from.
    held_out: whether that scene's combination is kept out of all training.
    asked: the attributes that the sentence names, of those that the reader knows.
    """

    text: str
    seed: int
    held_out: bool
    asked: Mapping[str, str]

    def scene(self) -> Scene:
        """The scene that the sentence was made from."""
        return sample_scene(LEVEL, self.seed, held_out=self.held_out)


def load(count: int = COUNT) -> tuple[Prompt, ...]:
    """The first prompts of the file."""
    if not 1 <= count <= COUNT:
        raise ConfigError(f"{count} prompts: expected 1 to {COUNT}")
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(from_data(Prompt, json.loads(line)) for line in lines[:count])


def make() -> tuple[Prompt, ...]:
    """The prompts of the file: always the same."""
    pairs = zip(_balanced(held_out=False), _balanced(held_out=True), strict=True)
    return tuple(islice(chain.from_iterable(pairs), COUNT))


def write() -> None:
    """Make the file anew, after the world or its words have changed."""
    lines = (json.dumps(to_data(prompt)) + "\n" for prompt in make())
    FILE.write_text("".join(lines), encoding="utf-8")


def truth(scene: Scene) -> dict[str, str]:
    """What is true of a scene, of the attributes that the reader knows."""
    return {name: value for name, value in attributes(scene).items() if name in ATTRIBUTES}


def _balanced(*, held_out: bool) -> Iterator[Prompt]:
    """Prompts drawn one after the other, each of what was drawn least so far."""
    seeds = range(FIRST_SEED, FIRST_SEED + CANDIDATES)
    left = {seed: truth(sample_scene(LEVEL, seed, held_out=held_out)) for seed in seeds}
    drawn: Counter[object] = Counter()
    texts: set[str] = set()

    def often(seed: int) -> tuple[int, int, int, int]:
        true = left[seed]
        colour, shape, motion, floor = (
            true[name] for name in ("colour", "shape", "motion", "floor")
        )
        pair = drawn[colour] + drawn[shape]
        return drawn[motion], drawn[colour, shape, motion], pair, drawn[floor]

    while len(texts) < COUNT // 2:
        seed = min(left, key=often)
        true = left.pop(seed)
        prompt = _prompt(seed, held_out)
        if prompt.text in texts:
            continue
        texts.add(prompt.text)
        drawn.update(true.values())
        drawn[true["colour"], true["shape"], true["motion"]] += 1
        yield prompt


def _prompt(seed: int, held_out: bool) -> Prompt:
    scene = sample_scene(LEVEL, seed, held_out=held_out)
    text = caption(scene, random.Random(f"prompt {seed}"))
    asked = {name: value for name, value in parse(text).items() if name in ATTRIBUTES}
    return Prompt(text=text, seed=seed, held_out=held_out, asked=asked)
