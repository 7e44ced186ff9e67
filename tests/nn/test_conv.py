"""A causal convolution never looks ahead, and chunks give what the whole clip gives."""

import pytest
import torch

from kineograph.nn.conv import Cache, CausalConv, in_chunks

torch.manual_seed(0)


def clip(frames: int) -> torch.Tensor:
    return torch.randn(2, 3, frames, 6, 4)


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_a_later_frame_does_not_change_an_earlier_output(kernel):
    conv = CausalConv(3, 5, (kernel, 3, 3))
    before = clip(6)
    after = before.clone()
    after[:, :, 3] += 1
    changed = (conv(before) != conv(after)).any(dim=(0, 1, 3, 4))
    assert changed.tolist() == [False] * 3 + [True] * min(kernel, 3) + [False] * (
        3 - min(kernel, 3)
    )


def test_before_the_clip_stands_its_first_frame():
    conv = CausalConv(3, 5)
    x = clip(3)
    longer = torch.cat((x[:, :, :1], x[:, :, :1], x), dim=2)
    assert torch.allclose(conv(x), conv(longer)[:, :, 2:], atol=1e-6)


def test_a_time_kernel_of_one_is_a_2d_convolution_of_every_frame():
    conv, x = CausalConv(3, 5, (1, 3, 3)), clip(2)
    frame = torch.nn.functional.conv2d(x[:, :, 1], conv.weight[:, :, 0], conv.bias, padding=1)
    assert torch.allclose(conv(x)[:, :, 1], frame, atol=1e-6)


@pytest.mark.parametrize("pieces", [[1] * 7, [1, 2, 4], [5, 2], [3, 4], [7]])
@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_chunks_give_what_the_whole_clip_gives(kernel, pieces):
    conv, x = CausalConv(3, 5, (kernel, 3, 3)), clip(7)
    assert torch.allclose(in_chunks(conv, x, pieces), conv(x), atol=1e-6)


@pytest.mark.parametrize("pieces", [[1, 2, 2, 4], [3, 6], [5, 4], [9]])
@pytest.mark.parametrize("kernel", [2, 3])
def test_chunks_of_a_strided_convolution_keep_its_phase(kernel, pieces):
    conv, x = CausalConv(3, 5, (kernel, 3, 3), stride=(2, 1, 1)), clip(9)
    assert conv(x).shape[2] == 5
    assert torch.allclose(in_chunks(conv, x, pieces), conv(x), atol=1e-6)


def test_a_cache_keeps_no_more_than_the_frames_that_are_needed():
    conv, cache = CausalConv(3, 5), Cache()
    conv(clip(40), cache)
    kept = cache.recall(conv)
    assert kept is not None
    assert kept.untyped_storage().nbytes() == 2 * 3 * 2 * 6 * 4 * 4


def test_nothing_is_kept_after_the_last_chunk():
    conv, cache = CausalConv(3, 5), Cache()
    cache.last = True
    conv(clip(4), cache)
    assert cache.recall(conv) is None


def test_a_stream_that_runs_ahead_waits_for_the_other():
    cache, layer, x = Cache(), torch.nn.Identity(), clip(5)
    found = [cache.wait(layer, x[:, :, :3], 1), cache.wait(layer, x[:, :, 3:], 4)]
    assert torch.equal(torch.cat(found, dim=2), x)


def test_channels_last_stays_channels_last():
    x = clip(5).to(memory_format=torch.channels_last_3d)
    assert CausalConv(3, 8)(x).is_contiguous(memory_format=torch.channels_last_3d)
