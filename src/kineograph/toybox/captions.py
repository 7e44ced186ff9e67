"""Sentences about a scene: a grammar with many paraphrases, and a parser that reads them back.

`attributes` says what is true of a scene; `caption` says some or all of it, in varied words and
order; `parse` reads any sentence made of the lexicon's words.
"""

import random
import re
from collections.abc import Mapping
from typing import TypeVar

from kineograph.toybox import lexicon
from kineograph.toybox.scene import Scene, Toy

Choice = TypeVar("Choice")

PATTERNED = ("wooden", "checkered")
"""Floors against whose pattern a size can be judged; elsewhere it is not said."""


def attributes(scene: Scene) -> dict[str, str]:
    """What is true of a scene, for measuring.

    Keys: colour, shape, motion, floor, backdrop, camera, count always; size, material, speed,
    becomes, light where they are said at all; relation; and colour2, shape2, motion3, ... of
    further toys. What the second toy of a relation does is not said.
    """
    found: dict[str, str] = {}
    for number, toy in enumerate(_told(scene), start=1):
        suffix = "" if number == 1 else str(number)
        found |= {f"{key}{suffix}": value for key, value in _facts(scene, toy).items()}
    if scene.relation is not None:
        del found["motion2"]
        found["relation"] = scene.relation.kind
    found["floor"] = scene.floor.kind
    found["backdrop"] = scene.backdrop.kind
    found["camera"] = scene.camera.move
    found["count"] = str(len(scene.toys))
    if scene.light.side != "front":
        found["light"] = scene.light.side
    return found


def canonical(scene: Scene) -> str:
    """One plain sentence, e.g. "a large blue ball rolls to the left on a wooden floor"."""
    return _Speaker(scene, None).sentence()


def caption(scene: Scene, draw: random.Random) -> str:
    """A sentence about a scene: terse or rich, its words and their order drawn by `draw`."""
    return _Speaker(scene, draw).sentence()


def vocabulary() -> tuple[str, ...]:
    """Every word that captions, canonical sentences and control suffixes can hold, sorted."""
    phrases = set(lexicon.GLUE)
    for key in _TABLE:
        phrases.update(key)
    for verbs in lexicon.VERBS.values():
        phrases.update(form for pair in verbs for form in pair)
    return tuple(sorted(phrases))


def parse(text: str) -> dict[str, str]:
    """The attributes that a sentence names, with the keys of `attributes` (without count).

    Adjectives belong to the next shape that is named, motions and speeds to the last one; what the
    lexicon does not know is skipped.
    """
    found: dict[str, str] = {}
    waiting: dict[str, str] = {}
    count = 0
    symbols = _symbols(text)
    for place, (key, value) in enumerate(symbols):
        suffix = "" if count < 2 else str(count)
        if key == "shape":
            count += 1
            suffix = "" if count < 2 else str(count)
            found[f"shape{suffix}"] = value
            found |= {f"{name}{suffix}": said for name, said in waiting.items()}
            waiting = {}
        elif key == "colour" and place and symbols[place - 1] == ("", "to"):
            found[f"becomes{suffix}"] = value
        elif key == "colour" and place and symbols[place - 1] == ("", "from"):
            found[f"colour{suffix}"] = value
        elif key in ("colour", "size", "material"):
            waiting[key] = value
        elif key in ("motion", "speed"):
            found.setdefault(f"{key}{suffix}", value)
        elif key == ",":
            suffix = "" if count < 2 else str(count)
            if count:
                found |= {f"{name}{suffix}": said for name, said in waiting.items()}
                waiting = {}
        elif key:
            found[key] = value
    suffix = "" if count < 2 else str(count)
    return found | {f"{name}{suffix}": said for name, said in waiting.items()}


def _told(scene: Scene) -> tuple[Toy, ...]:
    """The toys in the order in which a sentence names them: the relation's two first."""
    if scene.relation is None:
        return scene.toys
    pair = (scene.relation.first, scene.relation.second)
    others = (toy for index, toy in enumerate(scene.toys) if index not in pair)
    return (scene.toys[pair[0]], scene.toys[pair[1]], *others)


def _facts(scene: Scene, toy: Toy) -> dict[str, str]:
    """What is said of one toy."""
    facts: dict[str, str] = {"colour": toy.colour, "shape": toy.shape, "motion": toy.motion}
    if scene.floor.kind in PATTERNED and toy.size != "medium":
        facts["size"] = toy.size
    if scene.level > 1:
        facts["material"] = toy.material
    if toy.speed != "normal":
        facts["speed"] = toy.speed
    if toy.becomes is not None:
        facts["becomes"] = toy.becomes
    return facts


class _Speaker:
    """Says one sentence; without a `draw`, the first phrase of every table and everything."""

    def __init__(self, scene: Scene, draw: random.Random | None) -> None:
        self.scene = scene
        self.draw = draw
        self.told = _told(scene)
        self.facts = [_facts(scene, toy) for toy in self.told]

    def sentence(self) -> str:
        finite = self.chance(0.65)
        subject, rest = self.noun(0), self.predicate(finite)
        floor = self.maybe(0.88, self.pick(lexicon.FLOORS[self.scene.floor.kind]))
        form = self.choose(("plain", "plain", "floor first", "there is", "that"))
        if form == "floor first" and floor:
            core = f"{floor}, {subject} {rest}"
        elif form == "there is" and not finite:
            core = f"there is {subject} {rest} {floor}"
        elif form == "that" and finite:
            core = f"{subject} that {rest} {floor}"
        else:
            core = f"{subject} {rest} {floor}"
        parts = [core, *self.company(), *self.surroundings()]
        return ", ".join(" ".join(part.split()) for part in parts if part)

    def noun(self, number: int) -> str:
        """A toy with its article and adjectives, e.g. "a large shiny blue ball"."""
        facts = self.facts[number]
        size = self.maybe(0.85, self.phrase(lexicon.SIZES, facts.get("size")))
        material = self.maybe(0.75, self.phrase(lexicon.MATERIALS, facts.get("material")))
        colour = self.phrase(lexicon.COLOURS, facts["colour"])
        words = " ".join(
            f"{size} {material} {colour} {self.phrase(lexicon.SHAPES, facts['shape'])}".split()
        )
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"

    def predicate(self, finite: bool) -> str:
        """What the first toy does, and where or to whom, when there is a relation."""
        said = self.act(0, finite)
        relation = self.scene.relation
        if relation is None:
            return said
        other = self.noun(1)
        if relation.kind in lexicon.RELATIONS_ING:
            table = lexicon.RELATIONS if finite else lexicon.RELATIONS_ING
            return f"{said} and {self.pick(table[relation.kind])} {other}"
        return f"{said} {self.pick(lexicon.RELATIONS[relation.kind])} {other}"

    def act(self, number: int, finite: bool) -> str:
        """The verb of a toy with its adverb and direction."""
        toy = self.told[number]
        adverb = self.phrase(lexicon.SPEEDS, self.facts[number].get("speed"))
        if toy.motion in lexicon.WAYS:
            pair = self.choose(lexicon.VERBS["roll" if toy.shape == "ball" else "slide"])
            way = self.pick(lexicon.WAYS[toy.motion])
        else:
            pair = self.choose(lexicon.ACTS[toy.motion])
            way = ""
        verb = pair[0 if finite else 1]
        if toy.becomes is not None:
            first, second = (self.phrase(lexicon.COLOURS, c) for c in (toy.colour, toy.becomes))
            way = self.choose((f"from {first} to {second}", f"to {second}"))
        return self.choose((f"{verb} {adverb} {way}", f"{adverb} {verb} {way}"))

    def company(self) -> list[str]:
        """Toys that the relation does not name, and what the second toy does by itself."""
        start = 1 if self.scene.relation is None else 2
        return [
            f"{self.choose(('and', 'with', 'beside'))} {self.noun(k)} {self.act(k, False)}"
            for k in range(start, len(self.told))
        ]

    def surroundings(self) -> list[str]:
        """Time of day, light and camera, in any order; the usual ones are not said."""
        scene, said = self.scene, []
        if scene.backdrop.kind != "day":
            said.append(self.maybe(0.85, self.pick(lexicon.BACKDROPS[scene.backdrop.kind])))
        elif self.draw is not None and scene.level > 1:
            said.append(self.maybe(0.3, self.pick(lexicon.BACKDROPS["day"])))
        if scene.light.side != "front":
            said.append(self.maybe(0.75, self.pick(lexicon.SIDES[scene.light.side])))
        if scene.camera.move != "static":
            said.append(self.maybe(0.9, self.pick(lexicon.MOVES[scene.camera.move])))
        elif self.draw is not None and scene.level > 1:
            said.append(self.maybe(0.3, self.pick(lexicon.MOVES["static"])))
        if self.draw is not None:
            self.draw.shuffle(said)
        return said

    def phrase(self, table: Mapping[str, tuple[str, ...]], value: str | None) -> str:
        return self.pick(table[value]) if value is not None else ""

    def pick(self, phrases: tuple[str, ...]) -> str:
        """The plain phrase half of the time, else any."""
        return phrases[0] if self.chance(0.5) else self.choose(phrases)

    def choose(self, options: tuple[Choice, ...]) -> Choice:
        return options[0] if self.draw is None else self.draw.choice(options)

    def chance(self, share: float) -> bool:
        return self.draw is None or self.draw.random() < share

    def maybe(self, share: float, words: str) -> str:
        return words if self.chance(share) else ""


def _table() -> dict[tuple[str, ...], tuple[str, str]]:
    """Every phrase of the lexicon, as words, with the attribute and value that it names."""
    named: dict[str, Mapping[str, tuple[str, ...]]] = {
        "shape": lexicon.SHAPES,
        "colour": lexicon.COLOURS,
        "size": lexicon.SIZES,
        "material": lexicon.MATERIALS,
        "speed": lexicon.SPEEDS,
        "floor": lexicon.FLOORS,
        "backdrop": lexicon.BACKDROPS,
        "light": lexicon.SIDES,
        "camera": lexicon.MOVES,
        "relation": lexicon.RELATIONS,
        "motion": lexicon.WAYS,
    }
    acts = {
        value: tuple(f for pair in pairs for f in pair) for value, pairs in lexicon.ACTS.items()
    }
    moves = {move: (f"camera motion {move}",) for move in lexicon.MOVES}
    tables: list[tuple[str, Mapping[str, tuple[str, ...]]]] = [
        *named.items(),
        ("relation", lexicon.RELATIONS_ING),
        ("motion", acts),
        ("camera", moves),
    ]
    return {
        tuple(phrase.split()): (key, value)
        for key, table in tables
        for value, phrases in table.items()
        for phrase in phrases
    }


_TABLE = _table()
_LONGEST = max(len(key) for key in _TABLE)


def _symbols(text: str) -> list[tuple[str, str]]:
    """A sentence as (attribute, value) pairs, longest phrases first; other words as ("", word)."""
    words = re.findall(r"[a-z0-9-]+|,", text.lower())
    symbols, place = [], 0
    while place < len(words):
        for length in range(min(_LONGEST, len(words) - place), 0, -1):
            known = _TABLE.get(tuple(words[place : place + length]))
            if known is not None:
                symbols.append(known)
                place += length
                break
        else:
            symbols.append((",", ",") if words[place] == "," else ("", words[place]))
            place += 1
    return symbols
