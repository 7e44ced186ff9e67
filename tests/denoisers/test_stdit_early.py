"""STDiT-1 and STDiT-2 keep the promises that their descriptions make; no stored run proves them."""

from dataclasses import replace

import pytest
import torch

from kineograph.denoisers.stdit_early import (
    LateNormAttention,
    STDiT1,
    STDiT1Config,
    STDiT2,
    STDiT2Config,
)
from kineograph.denoisers.stdit_parts import frame_turns, frequencies
from kineograph.errors import ConfigError
from kineograph.nn.attention import NormHead, SelfAttention
from kineograph.nn.grouping import PerSite
from kineograph.types import Condition, Grid, TextEmbedding

SIZE = (3, 4, 6)
FIRST = STDiT1Config(layers=2, heads=2, head_width=12, text_width=6, text_length=5, size=SIZE)
SECOND = STDiT2Config(layers=2, heads=2, head_width=12, text_width=6, text_length=5)
FACTS = {"fps": 8.0, "frames": 3.0, "height": 32.0, "width": 48.0}


def condition(**changed: float) -> Condition:
    """Ragged text and facts of two samples."""
    tokens = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(1))
    mask = torch.arange(5) < torch.tensor([[3], [5]])
    facts = {name: torch.full((2,), value) for name, value in {**FACTS, **changed}.items()}
    return Condition(TextEmbedding(tokens, mask), facts=facts)


def latents(frames: int = 3) -> torch.Tensor:
    return torch.randn(2, 4, frames, 4, 6, generator=torch.Generator().manual_seed(2))


def time(*times: float) -> torch.Tensor:
    return torch.tensor(times).view(1, 1, -1, 1, 1)


def shaken(config: STDiT1Config | STDiT2Config) -> STDiT1 | STDiT2:
    """A model whose every layer says something."""
    torch.manual_seed(0)
    model = config.build().eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return model


@pytest.mark.parametrize("config", [FIRST, SECOND], ids=["1", "2"])
@torch.no_grad()
def test_noise_comes_back_in_the_latents_shape(config):
    assert shaken(config)(latents(), time(0.5), condition()).shape == (2, 8, *SIZE)


@pytest.mark.parametrize("config", [FIRST, SECOND], ids=["1", "2"])
@torch.no_grad()
def test_held_frames_are_told_apart(config):
    model, x = shaken(config), latents()
    shared = model(x, time(0.5), condition())
    torch.testing.assert_close(model(x, time(0.5, 0.5, 0.5), condition()), shared)
    held = model(x, time(0.0, 0.5, 0.5), condition())
    assert (held - shared).abs().amax((0, 1, 3, 4)).min() > 1e-3


@torch.no_grad()
def test_stdit_1_refuses_another_size():
    with pytest.raises(ConfigError, match="the only size"):
        shaken(FIRST)(latents(2), time(0.5), condition())


@torch.no_grad()
def test_stdit_1_tells_frames_apart_in_its_first_block_only():
    model, x = shaken(FIRST), latents(1).expand(-1, -1, 3, -1, -1)
    assert model(x, time(0.5), condition()).std(2).max() > 1e-3
    model.frames.zero_()
    assert model(x, time(0.5), condition()).std(2).max() < 1e-4


@pytest.mark.parametrize("name", ["fps", "frames", "height", "width"])
@torch.no_grad()
def test_stdit_2_reads_every_fact(name):
    model, x = shaken(SECOND), latents()
    told = model(x, time(0.5), condition(**{name: 2.0 * FACTS[name]}))
    assert (told - model(x, time(0.5), condition())).abs().max() > 1e-3


def test_a_width_that_has_no_third_is_refused():
    with pytest.raises(ConfigError, match="multiple of 3"):
        replace(SECOND, head_width=8)


@torch.no_grad()
def test_the_late_norm_is_the_usual_one_until_its_weights_differ():
    torch.manual_seed(0)
    late = LateNormAttention(24, 2, NormHead())
    usual = SelfAttention(24, 2, grouping=PerSite(), norm=NormHead())
    usual.load_state_dict(late.state_dict())
    grid, x = Grid(3, 2, 2), torch.randn(1, 12, 24)
    rotary = frame_turns(frequencies(12), grid)
    torch.testing.assert_close(late(x, rotary, grid), usual(x, rotary, grid))
    for module in (late, usual):
        module.query_norm.weight.copy_(torch.arange(12.0))
    assert (late(x, rotary, grid) - usual(x, rotary, grid)).abs().max() > 1e-3
