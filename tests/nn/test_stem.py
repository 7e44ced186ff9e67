"""Convolutions around the transformer see neighbours in the frame, and begin at nothing."""

import torch

from kineograph.nn.stem import ConvHead, ConvStem


def test_frames_do_not_mix():
    torch.manual_seed(0)
    stem, x = ConvStem(3, 8), torch.randn(2, 3, 4, 5, 6)
    whole = stem(x)
    assert whole.shape == (2, 8, 4, 5, 6)
    torch.testing.assert_close(whole[:, :, 1:2], stem(x[:, :, 1:2]))


def test_a_cell_sees_its_neighbours_and_no_further():
    stem, x = ConvStem(1, 1), torch.zeros(1, 1, 1, 5, 5)
    touched = x.clone()
    touched[..., 2, 2] = 1.0
    changed = (stem(touched) != stem(x))[0, 0, 0]
    assert changed.sum() <= 9
    assert not changed[0].any()
    assert not changed[:, 0].any()


def test_an_untrained_head_says_nothing_but_can_learn():
    head, x = ConvHead(4, 3), torch.randn(1, 4, 2, 5, 5)
    y = head(x, x)
    assert y.shape == (1, 3, 2, 5, 5)
    assert not y.any()
    (y - 1).square().sum().backward()
    assert head.out.weight.grad is not None
    assert head.out.weight.grad.any()
