"""Name patterns, and the engine that runs one direction of a table of rules on a state."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from torch import Tensor

from kineograph.errors import CheckpointError


@dataclass(frozen=True)
class Side:
    """One direction of a rule; `needed`: it is an error when nothing matches `reads`."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    run: Callable[[Sequence[Tensor]], Sequence[Tensor]]
    needed: bool


@dataclass(frozen=True)
class Task:
    """One rule, by its index, at work on the keys that it reads and writes together."""

    index: int
    reads: tuple[str, ...]
    writes: tuple[str, ...]


def translate(state: Mapping[str, Tensor], sides: Sequence[Side]) -> dict[str, Tensor]:
    """Run each rule on the keys that it claims: those of which it is the first match.

    Raises:
        CheckpointError: with one line per kind of key that does not fit.
    """
    todo, problems = plan(state, sides)
    done: dict[str, Tensor] = {}
    for task in todo:
        problems += _apply(sides[task.index], task, state, done)
    refuse(problems)
    return done


def plan(keys: Iterable[str], sides: Sequence[Side]) -> tuple[list[Task], list[str]]:
    """Which rule works on which keys, before a tensor is read, and what does not fit."""
    unmatched: list[str] = []
    groups: dict[tuple[int, tuple[tuple[str, str], ...]], set[str]] = {
        (index, ()): set() for index, side in enumerate(sides) if not side.reads and side.writes
    }
    for key in keys:
        claim = _claim(key, sides)
        if claim is None:
            unmatched.append(key)
        else:
            groups.setdefault(claim, set()).add(key)
    busy = {index for index, _ in groups}
    idle = [s.reads for i, s in enumerate(sides) if s.needed and s.reads and i not in busy]
    problems = _strangers(unmatched, sides) + [
        f"no key matches {' + '.join(reads)}" + _near(reads[0], unmatched) for reads in idle
    ]
    todo: list[Task] = []
    made: set[str] = set()
    for (index, places), claimed in groups.items():
        reads = tuple(_fill(pattern, dict(places)) for pattern in sides[index].reads)
        writes = tuple(_fill(pattern, dict(places)) for pattern in sides[index].writes)
        missing = [name for name in reads if name not in claimed]
        twice = [name for name in writes if name in made]
        if missing:
            problems.append(f"{', '.join(sorted(claimed))} needs {', '.join(missing)} beside it")
        elif twice:
            problems.append(f"{', '.join(reads)}: {', '.join(twice)} is already made from another")
        else:
            todo.append(Task(index, reads, writes))
            made.update(writes)
    return todo, problems


def refuse(problems: Sequence[str]) -> None:
    """Nothing, unless there are problems.

    Raises:
        CheckpointError: that lists them.
    """
    if problems:
        raise CheckpointError(_listed("the keys do not fit", problems))


def _apply(
    side: Side, task: Task, state: Mapping[str, Tensor], done: dict[str, Tensor]
) -> list[str]:
    """Run one rule on one group of keys into `done`; returns what is wrong."""
    try:
        made = side.run([state[name] for name in task.reads])
    except (RuntimeError, ValueError, IndexError) as error:
        shapes = ", ".join(f"{name} {show(state[name])}" for name in task.reads)
        return [f"{shapes}: {str(error).strip().splitlines()[-1].strip()}"]
    done.update(zip(task.writes, made, strict=True))
    return []


def _claim(key: str, sides: Sequence[Side]) -> tuple[int, tuple[tuple[str, str], ...]] | None:
    """The first rule that reads a key, and what its places stand for."""
    for index, side in enumerate(sides):
        for pattern in side.reads:
            places = bind(pattern, key)
            if places is not None:
                return index, tuple(sorted(places.items()))
    return None


def _strangers(keys: Sequence[str], sides: Sequence[Side]) -> list[str]:
    """Unmatched keys, those that differ in numbers only as one line."""
    patterns = [pattern for side in sides for pattern in side.reads]
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(re.sub(r"\d+", "*", key), []).append(key)
    return [
        f"no rule for {members[0]}"
        + (f" and {len(members) - 1} more like it" if len(members) > 1 else "")
        + _near(members[0], patterns)
        for members in groups.values()
    ]


def _near(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (nearest: {close[0]})" if close else ""


def _listed(title: str, lines: Sequence[str], most: int = 20) -> str:
    more = [f"... and {len(lines) - most} more"] if len(lines) > most else []
    return "\n  ".join([f"{title}:", *lines[:most], *more])


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression with one named group per place."""
    pieces = re.split(r"\{(\w+)\}", pattern)
    pieces[::2] = [re.escape(literal) for literal in pieces[::2]]
    pieces[1::2] = [
        f"(?P<{place}>{'.+' if place == 'rest' else '[^.]+'})" for place in pieces[1::2]
    ]
    return re.compile("".join(pieces))


def bind(pattern: str, key: str) -> dict[str, str] | None:
    """What the places of a pattern stand for in a key; None: it does not match."""
    match = _regex(pattern).fullmatch(key)
    return match.groupdict() if match else None


def _fill(pattern: str, places: Mapping[str, str]) -> str:
    """The key that a pattern means for these places."""
    return re.sub(r"\{(\w+)\}", lambda place: places[place[1]], pattern)


def show(tensor: Tensor) -> str:
    """A shape as people write it, e.g. 128x3x3."""
    return "x".join(str(n) for n in tensor.shape) or "scalar"
