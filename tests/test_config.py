"""Configurations are read strictly, and every mistake is answered with where and what instead."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kineograph import config, recipes
from kineograph.config import ABSENT, diff, from_data, override, to_data
from kineograph.errors import ConfigError
from kineograph.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Off:
    kind: Literal["off"] = "off"


@dataclass(frozen=True, kw_only=True)
class Scaled:
    kind: Literal["scaled"] = "scaled"
    scale: float = 3.0
    layers: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Stage:
    steps: int
    shape: Literal["linear", "cosine"] = "linear"


@dataclass(frozen=True, kw_only=True)
class System:
    name: str = "toy"
    folder: Path = Path("runs")
    limit: int | None = None
    guidance: Off | Scaled = field(default_factory=Off)
    extra: Stage | None = None
    stages: tuple[Stage, ...] = (Stage(steps=3), Stage(steps=5))
    weights: Mapping[str, float] = field(default_factory=lambda: {"kl": 0.5})


def failure(*assignments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        override(System(), *assignments)
    return str(caught.value)


@given(
    st.builds(
        System,
        name=st.text(),
        limit=st.none() | st.integers(-(2**40), 2**40),
        guidance=st.builds(Off) | st.builds(Scaled, scale=st.floats(allow_nan=False)),
        extra=st.none() | st.builds(Stage, steps=st.integers(0, 9)),
        stages=st.lists(st.builds(Stage, steps=st.integers(0, 9)), max_size=3).map(tuple),
    )
)
def test_a_configuration_survives_a_file(system: System) -> None:
    assert from_data(System, json.loads(json.dumps(to_data(system)))) == system


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_survives_a_file(name: str) -> None:
    recipe = recipes.get(name)
    assert from_data(Recipe, json.loads(json.dumps(to_data(recipe)))) == recipe


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("name=a heron lands", "name", "a heron lands"),
        ("name=", "name", ""),
        ("name='12'", "name", "12"),
        ("name=off", "name", "off"),
        ("folder=my videos/x", "folder", "my videos/x"),
        ("limit=4", "limit", 4),
        ("stages.1.steps=40", "stages.1.steps", 40),
        ("weights.kl=1e-4", "weights.kl", 1e-4),
        ("weights.kl=2", "weights.kl", 2.0),
    ],
)
def test_one_value_is_replaced_and_nothing_else(assignment: str, path: str, value: object) -> None:
    [difference] = diff(System(), override(System(), assignment))
    assert (difference.path, difference.right) == (path, value)


def test_assignments_are_applied_in_order() -> None:
    system = override(System(), "guidance.kind=scaled", "guidance.scale=5", "guidance.scale=6")
    assert system.guidance == Scaled(scale=6.0)


@pytest.mark.parametrize(
    ("assignment", "guidance"),
    [
        ("guidance.kind=scaled", Scaled()),
        ("guidance={kind: scaled, scale: 5, layers: [7]}", Scaled(scale=5.0, layers=(7,))),
        ("guidance={kind: off}", Off()),
    ],
)
def test_a_whole_part_is_replaced(assignment: str, guidance: Off | Scaled) -> None:
    assert override(System(), assignment).guidance == guidance


def test_the_original_stays_as_it_was() -> None:
    system = System()
    override(system, "stages.0.steps=40", "weights.kl=0.1")
    assert system == System()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("nam=x", "nam: System has no field 'nam'; did you mean 'name'?"),
        ("stages.0.step=4", "stages.0.step: Stage has no field 'step'; did you mean 'steps'?"),
        ("stage.0.steps=4", "stage: there is no 'stage'; did you mean 'stages'?"),
        ("stages.2.steps=4", "stages.2: expected an index below 2"),
        ("stages.0.steps=forty", "stages.0.steps: 'forty' given, expected a valid integer"),
        ("stages.0.steps=2.5", "stages.0.steps: 2.5 given, expected a valid integer"),
        ("stages.0.steps=true", "stages.0.steps: True given, expected a valid integer"),
        ("stages.0.shape=round", "stages.0.shape: 'round' given, expected 'linear' or 'cosine'"),
        ("stages=[{shape: linear}]", "stages.0.steps: missing, Stage needs it"),
        ("name=12", "name: 12 given, expected a valid string"),
        ("name.first=x", "name.first: name is 'toy' and has no field 'first'"),
        ("extra.steps=1", "extra.steps: extra is None and has no field 'steps'"),
        ("weights.kl=much", "weights.kl: 'much' given, expected a valid number"),
        ("guidance.kind=scale", "guidance.kind: no 'scale'; did you mean 'scaled'?"),
        ("guidance={scale: 5}", "guidance.kind: missing; there is: off, scaled"),
        ("guidance.scale=5", "guidance.scale: Off has no field 'scale'; there is: kind"),
        ("guidance={kind: scaled, scale: x}", "guidance.scale: 'x' given, expected a valid number"),
        ("guidance=5", "guidance: 5 given, expected an object"),
        ("steps", "'steps': expected name=value, e.g. sampling.steps=40"),
        ("=4", "'=4': expected name=value, e.g. sampling.steps=40"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(assignment: str, message: str) -> None:
    assert failure(assignment) == message


def test_broken_yaml_is_named() -> None:
    assert failure("guidance={kind: off").startswith("'{kind: off': not valid YAML")


def test_a_wrong_value_deep_in_a_file_is_found() -> None:
    data = to_data(System())
    data["stages"][1]["steps"] = "5"
    with pytest.raises(ConfigError, match=r"stages\.1\.steps: '5' given"):
        from_data(System, data)


def test_a_difference_of_kinds_lists_both_sides() -> None:
    differences = diff(System(), System(guidance=Scaled(layers=(4,))))
    assert [tuple(one) for one in differences] == [
        ("guidance.kind", "off", "scaled"),
        ("guidance.scale", ABSENT, 3.0),
        ("guidance.layers.0", ABSENT, 4),
    ]


def test_equal_configurations_do_not_differ() -> None:
    assert diff(System(), System()) == []


def test_the_schema_forbids_unknown_fields() -> None:
    schema = config.schema(System)
    stage = schema["$defs"]["Stage"]
    assert stage["additionalProperties"] is False
    assert stage["required"] == ["steps"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("off", "off"), ("2:30", "2:30"), ("2026-11-01", "2026-11-01")],
)
def test_yaml_means_what_it_says(text: str, value: object) -> None:
    assert config.parse(text) == value
