"""Prompts that hold more than a sentence: one per loop of a long video, and settings as JSON.

`|0| a red kite |2| a blue kite` is a prompt whose second sentence holds from loop 2 on;
`A sunrise.{"reference_path": "a.png", "mask_strategy": "0"}` brings its references along
(Open-Sora 1.x).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from kineograph.errors import ConfigError, nearest

SETTINGS = ("reference_path", "mask_strategy")


@dataclass(frozen=True)
class Segment:
    """A sentence, and the first loop that it holds for; None: the prompt has no loops."""

    text: str
    loop: int | None = None


@dataclass(frozen=True)
class Asked:
    """A prompt without its settings, the files it refers to, and where they go."""

    prompt: str
    references: str = ""
    masks: str = ""


def segments(prompt: str) -> tuple[Segment, ...]:
    """The sentences of a prompt, spaces and all; one without a loop where there are none.

    Raises:
        ConfigError: a loop is no number, has no sentence, or does not come after the one before.
    """
    if not prompt.startswith("|0|"):
        return (Segment(prompt),)
    pieces = prompt.split("|")[1:]
    found: list[Segment] = []
    for number, text in zip(pieces[::2], pieces[1::2], strict=False):
        if not number.strip().isdecimal():
            raise ConfigError(f"loop {number!r} in {prompt!r}: expected a number as in |2|")
        found.append(Segment(text, int(number)))
    loops = [one.loop or 0 for one in found]
    if len(pieces) % 2 or any(b <= a for a, b in pairwise(loops)):
        raise ConfigError(f"prompt {prompt!r}: expected |0| text |1| text with growing numbers")
    return tuple(found)


def stripped(found: Sequence[Segment]) -> tuple[Segment, ...]:
    """The sentences of a prompt with loops without spaces around them; others stay."""
    return tuple(one if one.loop is None else replace(one, text=one.text.strip()) for one in found)


def joined(found: Sequence[Segment]) -> str:
    """The prompt that sentences make: the inverse of `segments`."""
    return "".join(one.text if one.loop is None else f"|{one.loop}|{one.text}" for one in found)


def at_loop(prompt: str, loop: int) -> str:
    """The sentence that holds in a loop; the last one holds for ever.

    Raises:
        ConfigError: as for `segments`.
    """
    text = prompt
    for one in segments(prompt):
        if one.loop is None or one.loop <= loop:
            text = one.text
    return text


def unpacked(asked: Asked) -> Asked:
    """Settings in a prompt, from the first `{` on, put where they belong; they win.

    Raises:
        ConfigError: what follows is no JSON, or sets something else.
    """
    start = asked.prompt.find("{")
    if start < 0:
        return asked
    text = asked.prompt[start:]
    try:
        told = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"prompt with {text!r}: no JSON ({error.msg}); expected "
            '{"reference_path": "a.png", "mask_strategy": "0"} or no brace'
        ) from None
    for name, value in told.items():
        if name not in SETTINGS:
            raise ConfigError(f"prompt with the setting {name!r}{nearest(name, SETTINGS)}")
        if not isinstance(value, str):
            raise ConfigError(f"prompt with {name} {value!r}: expected a text")
    return Asked(
        prompt=asked.prompt[:start],
        references=told.get("reference_path", asked.references),
        masks=told.get("mask_strategy", asked.masks),
    )
