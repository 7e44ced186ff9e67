"""Sites have vectors of their own, the same span for every size of frame."""

import math

import torch

from kineograph.nn.sites import plain_waves, site_waves, spread


def test_sines_come_first_and_the_first_frequency_is_one():
    waves = plain_waves(torch.tensor([0.5]), 4)
    expected = [math.sin(0.5), math.sin(0.005), math.cos(0.5), math.cos(0.005)]
    torch.testing.assert_close(waves[0], torch.tensor(expected))


def test_half_precision_rounds_the_frequencies_only():
    exact, rounded = (
        plain_waves(torch.tensor([3.0]), 8, d) for d in (torch.float32, torch.bfloat16)
    )
    assert rounded.dtype == torch.float32
    assert 0 < (exact - rounded).abs().max() < 0.01


def test_the_first_half_says_the_column():
    rows, columns = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 1.0, 2.0]])
    table = site_waves(rows, columns, 8).view(2, 3, 8)
    assert torch.equal(table[0, :, :4], table[1, :, :4])
    assert torch.equal(table[:, 0, 4:], table[:, 2, 4:])
    assert len(table.flatten(0, 1).unique(dim=0)) == 6


def test_frames_of_any_shape_span_the_same():
    wide = spread(2, 8, torch.ones(1), 4)
    tall = spread(8, 2, torch.ones(1), 4)
    assert wide[0].tolist() == [[0.0, 2.0]] and torch.equal(wide[0], tall[1])
    assert torch.equal(wide[1], tall[0])


def test_samples_have_scales_of_their_own():
    rows, _ = spread(3, 3, torch.tensor([1.0, 2.0]), 3)
    assert rows.tolist() == [[0, 1, 2], [0, 0.5, 1]]
