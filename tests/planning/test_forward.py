"""A pass of a denoiser is worked out from shapes."""

import pytest

from kineograph.denoisers.ltx import LTXConfig
from kineograph.planning.forward import Reading, denoising, weights

SMALL = LTXConfig(layers=1, heads=2, head_width=12, in_channels=4, out_channels=4, text_width=8)
READING = Reading(5, 8)


def test_parameters_are_those_of_the_network():
    found = denoising(SMALL, (1, 4, 2, 4, 4), READING)
    assert found.parameters == weights(SMALL.build())


def test_twice_the_samples_are_twice_the_work():
    one, two = (denoising(SMALL, (b, 4, 2, 4, 4), READING) for b in (1, 2))
    assert two.flops == 2 * one.flops
    assert one.peak < two.peak


def test_something_else_than_a_network_is_refused():
    with pytest.raises(TypeError, match="torch module"):
        weights("no network")
