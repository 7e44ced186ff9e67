"""Fewer products give the same convolution, in single precision no less exactly."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from kineograph.nn.winograd import (
    DOUBLED,
    SINGLE,
    SLIDING,
    Rooms,
    convolved,
    products,
    transformed,
)

AXES = {
    "all three": ((SLIDING, SLIDING, SLIDING), 64),
    "the plane": ((SINGLE, SLIDING, SLIDING), 16),
    "doubled": ((DOUBLED, DOUBLED, DOUBLED), 27),
    "doubled plane": ((SLIDING, DOUBLED, DOUBLED), 36),
    "doubled plane, frame by frame": ((SINGLE, DOUBLED, DOUBLED), 9),
    "only rows": ((SINGLE, SLIDING, SINGLE), 4),
}


@pytest.fixture(autouse=True)
def _no_gradients():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def entries(axes, channels):
    """What a piece of 4 x 2 x 6 results, twice as many along doubled axes, is made of."""
    return torch.randn(
        *(n if axis is SINGLE else n + 2 for n, axis in zip((4, 2, 6), axes, strict=True)), channels
    )


def reference(points, layer, axes):
    """The whole arithmetic in double precision."""
    x = points.double().movedim(-1, 0)[None]
    for dim, axis in enumerate(axes, 2):
        if axis is DOUBLED:  # of the outermost entries one copy is read
            x = x.repeat_interleave(2, dim)
            x = x.narrow(dim, 1, x.shape[dim] - 2)
    bias = None if layer.bias is None else layer.bias.double()
    return functional.conv3d(x, layer.weight.double(), bias)[0].movedim(0, -1)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", AXES)
def test_fewer_products_are_the_convolution(name, bias):
    axes, count = AXES[name]
    assert products(axes) == count
    kernel = tuple(len(axis.weights[0]) for axis in axes)
    layer, rooms = nn.Conv3d(5, 3, kernel, bias=bias), Rooms(torch.empty(0))
    weight = transformed(layer.weight, axes)
    for _ in range(2):  # the second piece finds what the first one left
        points = entries(axes, 5)
        found = convolved(points, weight, layer.bias, axes, rooms)
        expected = reference(points, layer, axes)
        assert found.shape == expected.shape
        assert torch.allclose(found.double(), expected, atol=2e-6)


def test_rounding_is_that_of_a_plain_convolution():
    axes = (SLIDING, SLIDING, SLIDING)
    layer, points = nn.Conv3d(256, 32, 3, bias=False), entries(axes, 256)
    expected = reference(points, layer, axes)
    weight = transformed(layer.weight, axes)
    found = convolved(points, weight, None, axes, Rooms(points))
    assert (found - expected).norm() < 1e-6 * expected.norm()


def test_what_lies_behind_the_last_result_is_not_read():
    axes = (SLIDING, SLIDING, SLIDING)
    layer, points = nn.Conv3d(4, 4, 3), entries(axes, 4)
    weight = transformed(layer.weight, axes)
    expected = convolved(points, weight, layer.bias, axes, Rooms(points)).clone()
    for axis in range(3):
        points.select(axis, -1).fill_(torch.nan)
    found = convolved(points, weight, layer.bias, axes, Rooms(points))
    assert torch.equal(found[:-1, :-1, :-1], expected[:-1, :-1, :-1])
