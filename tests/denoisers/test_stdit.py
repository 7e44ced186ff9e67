"""STDiT-3 alternates between frames and sites, and tells frames' times apart."""

from dataclasses import replace

import pytest
import torch

from kineograph.denoisers.stdit import STDiT, STDiTConfig
from kineograph.denoisers.stdit_parts import Captions, frame_times
from kineograph.errors import ConfigError
from kineograph.types import Condition, TextEmbedding

TINY = STDiTConfig(layers=2, heads=2, head_width=8, text_width=6, text_length=5)


def build(config: STDiTConfig = TINY) -> STDiT:
    """A model whose every layer says something."""
    torch.manual_seed(0)
    model = config.build().eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return model


def condition(samples: int = 2, **changed: float) -> Condition:
    """Ragged text and facts."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randn(samples, 5, 6, generator=generator)
    mask = torch.arange(5) < torch.tensor([[3], [5]])[:samples]
    values = {"fps": 24.0, "height": 64.0, "width": 96.0, **changed}
    facts = {name: torch.full((samples,), value) for name, value in values.items()}
    return Condition(TextEmbedding(tokens, mask), facts=facts)


def latents(*size: int) -> torch.Tensor:
    return torch.randn(2, 4, *size, generator=torch.Generator().manual_seed(2))


def frames(*times: float) -> torch.Tensor:
    """A time for each frame, (1, 1, F, 1, 1)."""
    return torch.tensor(times).view(1, 1, -1, 1, 1)


@pytest.mark.parametrize("patch", [(1, 2, 2), (1, 1, 1), (2, 2, 3)])
@pytest.mark.parametrize("size", [(1, 4, 4), (3, 5, 7)])
@torch.no_grad()
def test_any_size_comes_back_in_its_shape(size, patch):
    model = build(replace(TINY, patch=patch))
    assert model(latents(*size), frames(0.5), condition()).shape == (2, 8, *size)


@torch.no_grad()
def test_a_shared_time_is_every_frames_time():
    model, x = build(), latents(3, 4, 4)
    shared = model(x, frames(0.5), condition())
    torch.testing.assert_close(model(x, frames(0.5, 0.5, 0.5), condition()), shared)
    whole = torch.full((2, 1, 3, 4, 4), 0.5)
    torch.testing.assert_close(model(x, whole, condition()), shared)


@torch.no_grad()
def test_the_last_layer_modulates_held_frames_twice_and_others_once():
    model, x = build(), latents(3, 4, 4)
    model.spatial = model.temporal = torch.nn.ModuleList()  # only the last layer is left
    alone = model(x, frames(0.7), condition())
    held = model(x, frames(0.0, 0.7, 0.7), condition())
    torch.testing.assert_close(held[:, :, 1:], alone[:, :, 1:])
    once = model(x, frames(0.0), condition())
    assert (held[:, :, 0] - once[:, :, 0]).abs().max() > 0.01


@torch.no_grad()
def test_held_frames_are_seen_by_the_others():
    model, x = build(), latents(3, 4, 4)
    time = frames(0.0, 0.7, 0.7)
    other = x.clone()
    other[:, :, 0] += 1.0
    changed = model(other, time, condition()) - model(x, time, condition())
    assert (changed[:, :, 2].abs().amax((1, 2, 3)) > 1e-4).all()


@torch.no_grad()
def test_masked_text_is_not_read():
    model, x = build(), latents(1, 4, 4)
    given = condition()
    assert given.text.mask is not None
    tokens = torch.where(given.text.mask[..., None], given.text.tokens, 9.0)
    other = replace(given, text=replace(given.text, tokens=tokens))
    torch.testing.assert_close(model(x, frames(0.5), other), model(x, frames(0.5), given))


@pytest.mark.parametrize("changed", [{"fps": 12.0}, {"height": 256.0}])
@torch.no_grad()
def test_facts_matter(changed):
    model, x = build(), latents(1, 4, 4)
    difference = model(x, frames(0.5), condition(**changed)) - model(x, frames(0.5), condition())
    assert difference.abs().max() > 1e-3


@torch.no_grad()
def test_samples_have_sizes_of_their_own():
    model, x = build(), latents(1, 4, 4)
    small, large = condition(), condition(height=256.0)
    sizes = torch.stack((small.facts["height"][0], large.facts["height"][0]))
    mixed = replace(small, facts={**small.facts, "height": sizes})
    found = model(x, frames(0.5), mixed)
    torch.testing.assert_close(found[0], model(x, frames(0.5), small)[0])
    torch.testing.assert_close(found[1], model(x, frames(0.5), large)[1])


@torch.no_grad()
def test_an_untrained_model_is_an_image_model():
    torch.manual_seed(0)
    model = TINY.build().eval()
    x = latents(3, 4, 4)
    whole = model(x, frames(0.5), condition())
    alone = model(x[:, :, 1:2], frames(0.5), condition())
    torch.testing.assert_close(whole[:, :, 1:2], alone)


def test_a_missing_fact_is_named():
    given = replace(condition(), facts={"fps": torch.ones(2)})
    with pytest.raises(ConfigError, match="'height'"):
        build()(latents(1, 4, 4), frames(0.5), given)


def test_cells_of_a_frame_share_their_time():
    time = torch.rand(2, 1, 3, 4, 4)
    with pytest.raises(ConfigError, match="clock is frame"):
        frame_times(time)


def test_a_token_of_several_frames_has_the_noisiest_ones_time():
    times = frame_times(frames(0.0, 0.0, 0.0, 0.6, 0.0), patch=2)
    assert times.held is not None
    assert times.held.tolist() == [[True, False, True]]
    assert torch.equal(times.moving, torch.full((1, 3), 0.6))


def test_heads_that_cannot_turn_are_refused():
    with pytest.raises(ConfigError, match="even heads"):
        STDiTConfig(head_width=7)


def test_the_null_caption_keeps_the_prompts_mask():
    captions, like = Captions(6, 5, 8), condition().text
    empty = captions.empty(replace(like, tokens=like.tokens[:, :4]))
    assert empty.tokens.shape == (2, 4, 6) and empty.mask is like.mask
    assert torch.equal(empty.tokens[0], captions.null[:4])
    with pytest.raises(ConfigError, match="5 at most"):
        captions.empty(replace(like, tokens=torch.zeros(1, 6, 6)))


@torch.no_grad()
def test_half_precision_stays_close():
    model, x, given = build(replace(TINY, layers=1)), latents(2, 4, 4), condition()
    whole = model(x, frames(0.0, 0.5), given)
    half = replace(given, text=replace(given.text, tokens=given.text.tokens.bfloat16()))
    found = model.to(torch.bfloat16)(x.bfloat16(), frames(0.0, 0.5), half)
    assert found.dtype == torch.bfloat16
    assert (found.float() - whole).norm() < 0.1 * whole.norm()
