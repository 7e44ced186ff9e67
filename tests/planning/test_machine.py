"""A machine is found by its name, and this one is measured."""

import pytest

from kineograph.errors import ConfigError
from kineograph.planning.machine import MACHINES, Machine, here, machine


def test_a_device_takes_its_share_of_the_speed_that_its_maker_says():
    assert Machine(name="one", speed=1e12, share=0.5).seconds(1e12) == 2.0
    assert machine("h200") is MACHINES["h200"]


def test_this_machine_is_measured():
    assert 1e8 < here(size=64, rounds=1).speed < 1e15


def test_an_unknown_machine_is_answered_with_a_known_one():
    with pytest.raises(ConfigError, match="h100"):
        machine("h10")
