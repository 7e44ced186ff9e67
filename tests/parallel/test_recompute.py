"""Blocks that are computed again change nothing but what is remembered."""

import copy
from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from kineograph.denoisers.laboratory import LaboratoryConfig
from kineograph.denoisers.ltx import LTXConfig
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.denoisers.stdit_early import STDiT1Config, STDiT2Config
from kineograph.denoisers.stiv import STIVConfig
from kineograph.parallel.recompute import (
    ATTENTION,
    AllButAttention,
    EveryBlock,
    FirstBlocks,
    Nothing,
    blocks_of,
)
from kineograph.types import Condition, TextEmbedding

SIZE = (2, 4, 4)
TINY = {"layers": 2, "heads": 2, "head_width": 12, "text_width": 6}
FAMILIES = [
    LaboratoryConfig(**TINY, channels=4),
    LTXConfig(**TINY, in_channels=4, out_channels=4),
    MMDiTConfig(
        channels=4,
        heads=2,
        shares=(4, 4, 4),
        double_layers=2,
        single_layers=2,
        text_width=6,
        pooled_width=6,
    ),
    SkiparseConfig(**TINY, in_channels=4, out_channels=4, stride=2),
    STDiTConfig(**TINY, text_length=5),
    STDiT1Config(**TINY, text_length=5, size=SIZE),
    STDiT2Config(**TINY, text_length=5),
    STIVConfig(**TINY, channels=4, pooled_width=6, micro=()),
]
WAYS = [EveryBlock(), FirstBlocks(counts=(1, 2)), FirstBlocks(counts=(0, 1)), AllButAttention()]
PAIRS = [(family, way) for family in FAMILIES for way in WAYS]


class Counted(TorchDispatchMode):
    """Counts the fused attentions that are really computed."""

    attentions = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.attentions += function in ATTENTION
        return function(*arguments, **(keywords or {}))


def built(family):
    """A model in which nothing is zero."""
    torch.manual_seed(0)
    model = family.build()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return model


def inputs():
    draw = torch.Generator().manual_seed(1)
    mask = torch.arange(5) < torch.tensor([[3], [5]])
    text = TextEmbedding(
        torch.randn(2, 5, 6, generator=draw), mask, torch.randn(2, 6, generator=draw)
    )
    facts = {"fps": 8.0, "frames": 5.0, "height": 32.0, "width": 32.0}
    told = {name: torch.full((2,), value) for name, value in facts.items()}
    time = torch.tensor([0.3, 0.8]).view(2, 1, 1, 1, 1)
    return torch.randn(2, 4, *SIZE, generator=draw), time, Condition(text, facts=told)


def gradients(model):
    """All gradients of one look, and how many attentions were computed."""
    with Counted() as counted:
        model(*inputs()).square().mean().backward()
    return [weight.grad for weight in model.parameters()], counted.attentions


@pytest.fixture(scope="module")
def plain():
    """What each family learns when nothing is computed again."""
    return {family.kind: gradients(built(family)) for family in FAMILIES}


@pytest.mark.parametrize(("family", "way"), PAIRS, ids=lambda one: one.kind)
def test_gradients_are_the_same_bit_for_bit(family, way, plain):
    model = built(family)
    way.apply(blocks_of(model))
    expected, attentions = plain[family.kind]
    found, now = gradients(model)
    for one, other in zip(expected, found, strict=True):
        assert (one is None) == (other is None) and (one is None or torch.equal(one, other))
    assert attentions > 0
    if way.kind == "all_but_attention":
        assert now == attentions, "results of attention were at hand"
    if way.kind == "every_block":
        assert now == 2 * attentions


@pytest.mark.parametrize(
    ("way", "again"),
    [
        (Nothing(), [1, 1, 1, 1]),
        (EveryBlock(), [2, 2, 2, 2]),
        (FirstBlocks(counts=(1, 2)), [2, 1, 2, 2]),
        (FirstBlocks(counts=(2,)), [2, 2, 1, 1]),
        (AllButAttention(), [2, 2, 2, 2]),
    ],
    ids=str,
)
def test_the_blocks_that_are_named_are_computed_twice(way, again):
    model = built(FAMILIES[2])
    way.apply(blocks_of(model))
    calls = Counter()
    blocks = [*model.double_blocks, *model.single_blocks]
    for index, block in enumerate(blocks):
        for name, inner in block.named_modules():
            inner.register_forward_hook(lambda *_, key=(index, name): calls.update([key]))
    gradients(model)
    counts = [max(calls[key] for key in calls if key[0] == index) for index in range(len(blocks))]
    assert counts == again


def test_names_stay_and_a_copy_computes_with_its_own_weights():
    model = built(FAMILIES[1])
    names = list(model.state_dict())
    EveryBlock().apply(blocks_of(model))
    assert list(model.state_dict()) == names
    other = copy.deepcopy(model)
    for weight in other.parameters():
        torch.nn.init.zeros_(weight)
    assert not other(*inputs()).any() and model(*inputs()).any()
    gradients(other)
    assert all(weight.grad is None for weight in model.parameters())
