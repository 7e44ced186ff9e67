"""A run is shortened without losing a stage."""

from dataclasses import replace

import pytest

from kineograph import recipes
from kineograph.errors import ConfigError
from kineograph.training.run import shortened

STAGE = recipes.get("toybox").stages[0]


@pytest.mark.parametrize(
    ("lengths", "steps", "found"),
    [
        ((400, 50), 90, [80, 10]),
        ((400, 50), 2, [1, 1]),
        ((1, 1000, 1), 10, [1, 8, 1]),
        ((1000,), 7, [7]),
        ((10, 20), 300, [100, 200]),
    ],
)
def test_stages_share_fewer_or_more_steps_as_before(
    lengths: tuple[int, ...], steps: int, found: list[int]
) -> None:
    stages = tuple(
        replace(STAGE, schedule=replace(STAGE.schedule, steps=length)) for length in lengths
    )
    assert [stage.schedule.steps for stage in shortened(stages, steps)] == found


def test_a_stage_needs_a_step() -> None:
    with pytest.raises(ConfigError, match="1 steps: expected at least 2, one for each stage"):
        shortened((STAGE, STAGE), 1)
