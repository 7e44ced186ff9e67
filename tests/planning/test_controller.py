"""A structure controller costs a small share of the denoiser that it steers."""

from functools import partial

import pytest
import torch
from torch import nn

from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.structure import StructureConfig
from kineograph.nn.footprint import measure, shapes_only
from kineograph.types import Condition, Given, Inside, TextEmbedding

PIXELS = (93, 352, 640)
LATENTS = (24, 44, 80)


def size(*modules: nn.Module) -> int:
    """Bytes of weights."""
    return sum(one.numel() * one.element_size() for m in modules for one in m.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_published_size_takes_at_most_15_percent_more_time_and_memory(dtype):
    with shapes_only():
        base = SkiparseConfig().build().to(dtype)
        controller = StructureConfig().build().to(dtype)
        empty = partial(torch.empty, dtype=dtype)
        signal = Given(empty(1, 3, *PIXELS), empty(1, 1, *PIXELS))
        read = measure(partial(controller, signal))  # once in a sampling
        features = controller(signal)
        x, time = empty(1, 8, *LATENTS), torch.empty(1, 1, 1, 1, 1)
        text = TextEmbedding(empty(1, 512, 4096), torch.empty(1, 512, dtype=torch.bool))
        steered = Condition(text, inside=Inside(features=features))
        alone, together = (
            measure(partial(base, x, time, condition)) for condition in (Condition(text), steered)
        )
    assert 0.10 < (read.flops + together.flops) / alone.flops - 1.0 <= 0.15
    assert together.flops / alone.flops <= 1.05  # of every further step
    represented = features[0]  # what the features are made of is as large as one of them
    kept = represented.numel() * represented.element_size()
    most = size(base, controller) + max(read.peak, kept + together.peak)
    assert 1.10 < most / (size(base) + alone.peak) <= 1.15
