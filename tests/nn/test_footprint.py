"""Bytes and operations are counted on shapes alone, as real tensors would need them."""

import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from kineograph.nn.cutting import Plain, Window
from kineograph.nn.footprint import Heap, measure, shapes_only
from kineograph.nn.heap import LEAST
from kineograph.nn.piecewise import convolve

MEGABYTE = 1 << 20


def floats(megabytes: int) -> torch.Tensor:
    return torch.empty(megabytes * MEGABYTE // 4)


def test_the_peak_is_what_lives_at_once():
    with shapes_only():
        x = floats(4)
        assert measure(lambda: x + 1).peak == 4 * MEGABYTE
        assert measure(lambda: (x + 1) + 1).peak == 8 * MEGABYTE
        assert measure(lambda: ((x + 1) + 1) + 1).peak == 8 * MEGABYTE
        assert measure(lambda: [x + 1, x + 2, x + 3]).peak == 12 * MEGABYTE


def test_views_and_changes_in_place_need_nothing():
    with shapes_only():
        x = floats(4)
        assert measure(lambda: x.view(2, -1)[:, 5:].add_(1)).peak == 0
        assert measure(lambda: (x + 1).relu_().view(4, -1)).peak == 4 * MEGABYTE


def test_nothing_is_left_behind():
    with shapes_only():
        x = floats(1)
        assert measure(lambda: [x + i for i in range(9)][-1]).live == 0


def test_a_convolution_needs_room_for_its_own_arrangement():
    with shapes_only():
        layer = nn.Conv3d(64, 64, 3, padding=1)
        plain = torch.empty(1, 64, 16, 32, 32)
        last = plain.to(memory_format=torch.channels_last_3d)
        size, weight = plain.numel() * 4, layer.weight.numel() * 4
        assert measure(lambda: layer(plain)).peak == 2 * size + weight
        assert measure(lambda: layer(last)).peak == size + weight


def test_few_channels_are_written_out_patch_by_patch():
    with shapes_only():
        layer, x = nn.Conv3d(3, 64, 3, padding=1).double(), torch.empty(1, 3, 8, 32, 32).double()
        points = 8 * 32 * 32 * 8
        assert measure(lambda: layer(x)).peak == points * (64 + 27 * 3)


def test_clips_in_single_precision_are_not():
    x = torch.randn(1, 64, 6, 4, 32, device="meta")  # what torch itself takes for small
    layer = nn.Conv3d(64, 16, 3, device="meta")
    found = measure(lambda: convolve(x, layer, Plain(), Window((3, 3, 3))))
    assert found.peak < 4 * 2 * 30 * 64 * 27 * 4


def test_attention_keeps_no_scores():
    with shapes_only():
        x = torch.empty(1, 4, 4096, 64)
        found = measure(lambda: functional.scaled_dot_product_attention(x, x, x))
    assert found.peak == x.numel() * 4
    assert found.flops == 4 * 4 * 4096 * 4096 * 64


def test_operations_are_those_that_torch_counts():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(2), nn.Linear(36, 5, bias=False))
    x = torch.zeros(2, 3, 8, 8)
    with FlopCounterMode(display=False) as counter:
        model(x)
    with shapes_only():
        model, x = model.to("meta"), x.to("meta")
        assert measure(lambda: model(x)).flops == counter.get_total_flops()


def test_the_library_arranges_channels_in_blocks_of_this_cpu():
    block = 16 if torch.cpu._is_avx512_supported() else 8
    with shapes_only():
        layer, x = nn.Conv3d(24, 24, 3, padding=1), torch.empty(1, 24, 32, 32, 32)
        found = measure(lambda: layer(x)).peak
    filled = -(-24 // block) * block
    own = x.numel() * 4 // 24 * (filled + filled - 24) + layer.weight.numel() * 4
    assert found == x.numel() * 4 + own


@torch.inference_mode()
def test_channels_stay_last_as_on_a_cpu():
    def run(x):
        norm, layer = nn.GroupNorm(2, 8), nn.Conv2d(8, 8, 3, padding=1)
        return layer(norm(x)).stride()

    real = run(torch.zeros(2, 8, 16, 16).to(memory_format=torch.channels_last))
    strides = []
    with shapes_only():
        x = torch.empty(2, 8, 16, 16).to(memory_format=torch.channels_last)
        measure(lambda: strides.append(run(x)))
    assert strides == [real]


def test_small_blocks_stay_and_large_ones_go_back():
    heap = Heap()
    for size in (LEAST, 100, LEAST):
        heap.take(size)
        heap.give(size)
    assert heap.peak == LEAST + 100
