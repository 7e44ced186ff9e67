"""A causal convolution sees its border, its past and nothing later."""

import pytest
import torch

from kineograph.nn.borders import BorderedConv, Edges, Zeros


@pytest.mark.parametrize("border", [Zeros(), Edges(), Zeros(ahead=True)], ids=str)
@pytest.mark.parametrize(("stride", "frames"), [((1, 1, 1), 6), ((2, 1, 1), 3), ((2, 2, 2), 3)])
def test_the_size_is_the_length_by_the_stride(border, stride, frames):
    conv = BorderedConv(2, 3, 3, border=border, stride=stride)
    side = 4 // stride[1]
    assert conv(torch.zeros(1, 2, 6, 4, 4)).shape == (1, 3, frames, side, side)


@pytest.mark.parametrize("border", [Zeros(), Edges()], ids=str)
def test_a_later_frame_changes_no_earlier_one(border):
    conv, before = BorderedConv(1, 1, 3, border=border), torch.rand(1, 1, 5, 3, 3)
    after = before.clone()
    after[:, :, 3] += 1
    changed = (conv(before) != conv(after)).flatten(3).any(dim=(0, 1, 3))
    assert changed.tolist() == [False, False, False, True, True]


@pytest.mark.parametrize("border", [Zeros(ahead=True), Edges(ahead=True)], ids=str)
def test_what_looks_ahead_sees_one_frame_on_either_side(border):
    conv, before = BorderedConv(1, 1, 3, border=border), torch.rand(1, 1, 6, 3, 3)
    after = before.clone()
    after[:, :, 3] += 1
    changed = (conv(before) != conv(after)).flatten(3).any(dim=(0, 1, 3))
    assert changed.tolist() == [False, False, True, True, True, False]


def test_edges_repeat_what_is_outermost():
    conv = BorderedConv(1, 1, 3, border=Edges(), bias=False)
    torch.nn.init.ones_(conv.weight)
    assert torch.allclose(conv(torch.full((1, 1, 2, 2, 2), 3.0)), torch.tensor(81.0))


def test_zeros_leave_a_strided_clip_its_last_frame():
    conv = BorderedConv(1, 1, 3, border=Zeros(), stride=(2, 1, 1), bias=False)
    torch.nn.init.ones_(conv.weight)
    x = torch.tensor([1.0, 10.0, 100.0, 1000.0]).view(1, 1, 4, 1, 1)
    assert conv(x).flatten().tolist() == [11.0, 1110.0]


def test_a_point_needs_no_border():
    x = torch.rand(1, 1, 2, 2, 2)
    assert Edges().around(x, (1, 1, 1), (1, 1, 1)) is x
