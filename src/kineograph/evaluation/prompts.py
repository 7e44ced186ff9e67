"""The fixed prompts: 400 sentences for each level of the world, in a file of the repository.

Every second one is about a combination of shape, colour and motion that no training run sees; the
others are about scenes whose seeds no training run uses. `prompt_sets.py` made the files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kineograph.config import from_data
from kineograph.errors import ConfigError
from kineograph.toybox.captions import attributes, canonical
from kineograph.toybox.scene import Scene
from kineograph.toybox.world import LEVELS, sample_scene

COUNT = 400


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A sentence and what it asks for.

    seed: of the scene that the sentence describes, and of the noise that its video starts from.
    held_out: whether that scene's combination is kept out of all training.
    asked: the attributes that the sentence names, of those that a reader can know.
    level: of the world that the scene is from.
    """

    text: str
    seed: int
    held_out: bool
    asked: Mapping[str, str]
    level: int = 1

    @cached_property
    def _scene(self) -> Scene:
        toys = int(self.asked["count"]) if self.level == 3 else None
        return sample_scene(self.level, self.seed, held_out=self.held_out, toys=toys)

    def scene(self) -> Scene:
        """The scene that the sentence was made from."""
        return self._scene

    def plain(self) -> str:
        """The sentence that says everything about the scene, in plain words."""
        return canonical(self.scene())

    def truth(self) -> dict[str, str]:
        """All that is true of the scene, of what a sentence can say."""
        return attributes(self.scene())


def file(level: int) -> Path:
    """The file of a level's prompts.

    Raises:
        ConfigError: there is no such level.
    """
    if level not in LEVELS:
        known = ", ".join(map(str, LEVELS))
        raise ConfigError(f"level {level}: no level of the toybox; expected one of {known}")
    return Path(__file__).with_name(f"level{level}.jsonl")


def load(count: int = COUNT, level: int = 1) -> tuple[Prompt, ...]:
    """The first prompts of a level's file.

    Raises:
        ConfigError: there is no such level, or there are not so many prompts.
    """
    if not 1 <= count <= COUNT:
        raise ConfigError(f"{count} prompts: expected 1 to {COUNT}")
    lines = file(level).read_text(encoding="utf-8").splitlines()
    return tuple(from_data(Prompt, json.loads(line)) for line in lines[:count])
