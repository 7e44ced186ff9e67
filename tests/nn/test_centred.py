"""A centred convolution looks one frame ahead and one back, and beyond the ends at the ends."""

import torch

from kineograph.nn.centred import CentredConv
from kineograph.nn.conv import CausalConv


def test_the_frames_at_the_ends_stand_beyond_the_ends():
    conv, x = CentredConv(2, 3), torch.randn(1, 2, 4, 5, 6)
    wide = torch.cat((x[:, :, :1], x, x[:, :, -1:]), dim=2)
    expected = torch.nn.functional.conv3d(wide, conv.weight, conv.bias, padding=(0, 1, 1))
    assert torch.allclose(conv(x), expected, atol=1e-6)


def test_a_frame_changes_its_neighbours_on_both_sides():
    conv, before = CentredConv(1, 1), torch.randn(1, 1, 5, 3, 3)
    after = before.clone()
    after[:, :, 2] += 1
    changed = (conv(before) != conv(after)).any(dim=(0, 1, 3, 4))
    assert changed.tolist() == [False, True, True, True, False]


def test_it_takes_the_weights_of_a_causal_one():
    centred, causal = CentredConv(2, 3), CausalConv(2, 3)
    centred.load_state_dict(causal.state_dict())
    x = torch.randn(1, 2, 1, 4, 4).expand(-1, -1, 3, -1, -1)  # a still picture looks alike
    assert torch.allclose(centred(x), causal(x), atol=1e-6)
