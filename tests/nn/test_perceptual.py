"""Distances of pictures: nothing for equal ones, the paper's sum for others, weights or not."""

import pytest
import torch
from torch.nn import functional

from kineograph.nn.perceptual import LPIPS, PyramidDistance

WIDTHS = (3, 4, 4, 5, 5)


@pytest.fixture
def metric():
    torch.manual_seed(0)
    return LPIPS(WIDTHS)


def pictures(seed=0, count=2, size=(32, 48)):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def blurred(x, times=1):
    for _ in range(times):
        x = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return x


def texture():
    """Smooth waves under a fine pattern of faint contrast."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    smooth = 0.5 * torch.sin(y / 6) * torch.cos(x / 5)
    return (smooth + 0.05 * (((y + x) % 2) * 2 - 1)).expand(1, 3, 32, 32)


def test_equal_pictures_have_no_distance(metric):
    x = pictures()
    assert metric(x, x).tolist() == [0.0, 0.0]
    assert PyramidDistance()(x, x).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("build", [lambda: LPIPS(WIDTHS), PyramidDistance])
def test_each_pair_has_a_distance_of_its_own(build):
    torch.manual_seed(0)
    distance = build()
    a, b = pictures(1), pictures(2)
    both = distance(a, b)
    assert both.shape == (2,)
    assert torch.allclose(both[1:], distance(a[1:], b[1:]), atol=1e-6)
    assert (both > 0).all()


def test_features_are_as_far_one_way_as_the_other(metric):
    assert torch.allclose(metric(pictures(1), pictures(2)), metric(pictures(2), pictures(1)))


def test_each_level_adds_its_weighted_squares(metric):  # Zhang et al., eq. 1
    a, b = pictures(1), pictures(2)
    expected = torch.zeros(2)
    for one, two, head in zip(metric.features(a), metric.features(b), metric.heads, strict=True):
        difference = functional.normalize(one, dim=1) - functional.normalize(two, dim=1)
        weighted = difference.square() * head.view(-1, 1, 1)
        expected += weighted.sum(1).mean(dim=(1, 2))
    assert torch.allclose(metric(a, b), expected, rtol=1e-4)


def test_levels_halve_the_picture_and_have_the_depths_of_vgg16(metric):
    shapes = [tuple(level.shape[1:]) for level in metric.features(pictures())]
    assert shapes == [(3, 32, 48), (4, 16, 24), (4, 8, 12), (5, 4, 6), (5, 2, 3)]
    assert [len(level) for level in metric.levels] == [2, 2, 3, 3, 3]


def test_gradients_reach_the_picture_and_no_weight(metric):
    x = pictures().requires_grad_()
    metric(x, pictures(2)).sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in metric.parameters())


@pytest.mark.parametrize("build", [lambda: LPIPS(WIDTHS), PyramidDistance])
def test_gradients_are_finite_where_pictures_are_flat_or_equal(build):
    x = torch.zeros(1, 3, 16, 16, requires_grad=True)
    build()(x, torch.zeros(1, 3, 16, 16)).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_pictures_too_small_for_four_poolings_are_refused(metric):
    with pytest.raises(ValueError, match="8 x 64 pixels: expected sides of 16"):
        metric(pictures(size=(8, 64)), pictures(size=(8, 64)))


def test_the_pyramid_misses_a_faint_texture_as_squared_error_does_not():
    x = texture()
    lost, brighter = blurred(x), x + (blurred(x) - x).square().mean().sqrt()
    assert torch.allclose((lost - x).square().mean(), (brighter - x).square().mean(), rtol=1e-4)
    distance = PyramidDistance()
    assert float(distance(lost, x)) > 20 * float(distance(brighter, x))


def test_the_more_a_picture_is_blurred_the_farther_it_is():
    x, distance = pictures(), PyramidDistance()
    steps = [float(distance(blurred(x, times), x).mean()) for times in (1, 2, 4)]
    assert steps == sorted(steps) and steps[0] > 0


def test_the_pyramid_is_convex_in_the_reconstruction():
    a, b, x, distance = pictures(1), pictures(2), pictures(3), PyramidDistance()
    between = distance((a + b) / 2, x)
    assert (between < (distance(a, x) + distance(b, x)) / 2).all()


def test_there_are_as_many_bands_as_fit():
    bands, rest = PyramidDistance().bands(pictures(size=(33, 18)))
    assert [tuple(band.shape[2:]) for band in bands] == [(33, 18), (17, 9)]
    assert tuple(rest.shape[2:]) == (9, 5)
    assert len(PyramidDistance(levels=1).bands(pictures())[0]) == 1
