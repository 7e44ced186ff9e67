"""A structure controller costs a small share of the denoiser that it steers."""

from functools import partial

import torch

from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.structure import StructureConfig
from kineograph.nn.footprint import measure, shapes_only
from kineograph.planning.forward import Reading, denoising
from kineograph.types import Given


def test_one_pass_of_the_published_size_takes_at_most_15_percent_more():
    alone = denoising(SkiparseConfig(), (1, 8, 24, 44, 80), Reading(512, 4096))
    with shapes_only():
        controller = StructureConfig().build()
        signal = Given(torch.empty(1, 3, 93, 352, 640), torch.empty(1, 1, 93, 352, 640))
        added = measure(partial(controller, signal))
    assert 0.10 < added.flops / alone.flops <= 0.15
