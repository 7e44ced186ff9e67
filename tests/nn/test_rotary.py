"""Rotation changes directions only, and scores see only how far apart tokens are."""

import math

import pytest
import torch

from kineograph.nn.attention import attend
from kineograph.nn.rotary import (
    AxisPositions,
    Falling,
    FractionalPositions,
    Rising,
    grid_positions,
)

PLACES = FractionalPositions(largest=(20.0, 64.0, 64.0), theta=100.0)


def positions(*shift: float) -> torch.Tensor:
    starts = [torch.arange(float(n)) + s for n, s in zip((3, 2, 2), shift, strict=True)]
    return grid_positions(starts, 2)


@pytest.mark.parametrize(("heads", "head_width"), [(2, 16), (4, 20), (1, 6), (3, 2)])
def test_lengths_stay(heads, head_width):
    x = torch.randn(2, 12, heads, head_width)
    turned = PLACES(positions(0, 0, 0), heads, head_width)(x)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert head_width < 6 or not torch.allclose(turned, x)


def test_scores_depend_on_distances_only():
    query, key, value = (torch.randn(2, 12, 2, 18) for _ in range(3))

    def look(shift: tuple[float, ...]) -> torch.Tensor:
        rotary = PLACES(positions(*shift), 2, 18)
        return attend(rotary(query), rotary(key), value)

    torch.testing.assert_close(look((0, 0, 0)), look((3.5, 2, 7)), atol=1e-4, rtol=1e-4)


def test_the_formula_in_complex_numbers():  # LTX-Video, 2.2: fractional coordinates
    """Pair j of the row of all pairs: frequency j // 3, axis j % 3; those left over lead."""
    where, heads, head_width = positions(0, 0, 0), 2, 10
    table = PLACES(where, heads, head_width)
    count = heads * head_width // 6
    angles = torch.zeros(2, 12, heads * head_width // 2, dtype=torch.float64)
    for j in range(3 * count):
        frequency = 100.0 ** (j // 3 / (count - 1)) * math.pi / 2
        fraction = where[:, j % 3].double() / PLACES.largest[j % 3]
        angles[..., j + 1] = frequency * (2 * fraction - 1)
    x = torch.randn(2, 12, heads, head_width)
    pairs = torch.complex(x[..., : head_width // 2], x[..., head_width // 2 :])
    turned = pairs * torch.polar(torch.ones_like(angles), angles).view(2, 12, heads, -1)
    expected = torch.cat((turned.real, turned.imag), -1).float()
    torch.testing.assert_close(table(x), expected, atol=1e-4, rtol=1e-4)


def test_one_table_serves_a_batch_and_keeps_the_dtype():
    x = torch.randn(2, 12, 2, 16, dtype=torch.bfloat16)
    both, one = PLACES(positions(0, 0, 0), 2, 16), PLACES(positions(0, 0, 0)[:1], 2, 16)
    assert both(x).dtype == torch.bfloat16
    assert torch.equal(both(x), one(x))
    assert torch.equal(both(x), both.to(torch.bfloat16)(x))


def test_grid_positions_run_through_the_last_axis_first():
    found = grid_positions([torch.tensor([[0.0, 5.0], [1.0, 6.0]]), torch.arange(2.0)], 2)
    assert found.tolist() == [[[0, 0, 5, 5], [0, 1, 0, 1]], [[1, 1, 6, 6], [0, 1, 0, 1]]]


def test_frequencies_rise_to_theta_or_fall_towards_its_inverse():
    rising, falling = (
        one.frequencies(5, 81.0, torch.device("cpu")) for one in (Rising(), Falling())
    )
    torch.testing.assert_close(rising, torch.tensor([1.0, 3.0, 9.0, 27.0, 81.0]))
    torch.testing.assert_close(falling, 81.0 ** -torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8]))


@pytest.mark.parametrize("spacing", [Rising(), Falling()], ids=lambda one: one.kind)
def test_both_kinds_of_positions_turn_as_fast_as_their_spacing_says(spacing):
    place = torch.tensor([[[0.25]]])
    wanted = spacing.frequencies(3, 16.0, torch.device("cpu"))
    plain = AxisPositions(shares=(6,), units=(1.0,), theta=16.0, spacing=spacing)(place)
    torch.testing.assert_close(plain.cos.flatten(), (0.25 * wanted).cos())
    share = FractionalPositions(largest=(1.0,), theta=16.0, spacing=spacing)(place, 1, 6)
    torch.testing.assert_close(share.sin.flatten(), (-0.5 * wanted * math.pi / 2).sin())
