"""A scene is plain data: it survives JSON, and a wrong entry is named."""

import json
import random
from typing import Any

import pytest

from kineograph.errors import DataError
from kineograph.toybox import drawing
from kineograph.toybox.scene import Scene, from_json, to_json
from kineograph.toybox.world import sample_scene


def scenes() -> list[Scene]:
    return [
        draw(random.Random(seed), seed) for draw in drawing.LEVELS.values() for seed in range(40)
    ]


def broken(path: str, value: Any) -> dict[str, Any]:
    """A scene's data with one entry replaced; `path` is dotted, numbers index lists."""
    data = json.loads(json.dumps(to_json(sample_scene(1, 0))))
    *parents, last = [int(key) if key.isdecimal() else key for key in path.split(".")]
    place = data
    for key in parents:
        place = place[key]
    place[last] = value
    return data  # type: ignore[no-any-return]


def test_every_scene_survives_json() -> None:
    for scene in scenes():
        assert from_json(json.loads(json.dumps(to_json(scene)))) == scene


def test_whole_numbers_are_read_as_real_ones() -> None:
    assert from_json(broken("toys.0.x", 1)).toys[0].x == 1.0


def test_entries_with_a_default_may_be_missing() -> None:
    data = to_json(sample_scene(1, 0))
    del data["camera"], data["light"], data["relation"]
    assert from_json(data) == sample_scene(1, 0)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("toys.0.colour", "bleu", "scene.toys[0].colour: 'bleu'.*did you mean 'blue'"),
        ("toys.0.radius", "big", "scene.toys[0].radius: 'big'; expected a finite float"),
        ("toys.0.radius", float("nan"), "expected a finite float"),
        ("toys.0.marked", 1, "scene.toys[0].marked: 1; expected a finite bool"),
        ("toys.0.size_", 1, "scene.toys[0].size_: there is no such entry; did you mean 'size'"),
        ("toys", [], "scene.toys: empty"),
        ("toys", "ball", "scene.toys: 'ball'; expected a list"),
        ("floor", None, "scene.floor: None; expected an object"),
        ("floor", {}, "scene.floor: missing kind"),
        ("relation", {"kind": "behind", "first": 0, "second": 1}, "scene.relation.second: 1"),
    ],
)
def test_a_wrong_entry_is_named(path: str, value: Any, says: str) -> None:
    with pytest.raises(DataError, match=says.replace("[0]", r"\[0\]")):
        from_json(broken(path, value))
