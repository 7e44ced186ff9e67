"""The MMDiT reads what it says it reads, and nothing is left to chance."""

from dataclasses import replace

import pytest
import torch

from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.errors import ConfigError
from kineograph.types import Condition, Known, TextEmbedding

TINY = MMDiTConfig(
    channels=3,
    heads=2,
    shares=(4, 6, 6),
    double_layers=1,
    single_layers=1,
    text_width=5,
    pooled_width=7,
)
SIZE = (3, 4, 6)


def build(config=TINY):
    torch.manual_seed(0)
    model = config.build().eval()
    if model.given_in is not None:
        torch.nn.init.normal_(model.given_in.weight, std=0.1)
    return model


def text(batch=2, words=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return TextEmbedding(
        torch.randn(batch, words, 5, generator=generator),
        pooled=torch.randn(batch, 7, generator=generator),
    )


def clip(batch=2, channels=3, seed=2):
    return torch.randn(batch, channels, *SIZE, generator=torch.Generator().manual_seed(seed))


def times(*values):
    return torch.tensor(values).view(-1, 1, 1, 1, 1)


@torch.no_grad()
def run(model, x, condition, time=None):
    return model(x, times(0.3, 0.8)[: len(x)] if time is None else time, condition)


@pytest.mark.parametrize("patch", [1, 2])
def test_the_shape_stays(patch):
    x = clip()
    assert run(build(replace(TINY, patch=patch)), x, Condition(text())).shape == x.shape


@pytest.mark.parametrize("change", ["x", "time", "words", "pooled"])
def test_everything_it_reads_changes_the_output_of_its_own_sample_only(change):
    model, x, words, time = build(), clip(), text(), times(0.3, 0.8)
    before = run(model, x, Condition(words), time)
    more = torch.tensor([0.0, 1.0])
    if change == "x":
        x = x + more.view(2, 1, 1, 1, 1)
    elif change == "time":
        time = time - 0.5 * more.view(2, 1, 1, 1, 1)
    elif change == "words":
        words = replace(words, tokens=words.tokens + more.view(2, 1, 1))
    else:
        words = replace(words, pooled=words.pooled + more.view(2, 1))
    after = run(model, x, Condition(words), time)
    assert torch.allclose(after[0], before[0], atol=1e-6)
    assert not torch.allclose(after[1], before[1], atol=1e-3)


def test_nothing_known_is_a_mask_of_zeros():
    model, x = build(), clip()
    nothing = Known(torch.zeros_like(x), torch.zeros_like(x[:, :1]))
    assert torch.equal(
        run(model, x, Condition(text())), run(model, x, Condition(text(), known=nothing))
    )


def test_given_latents_and_their_mask_are_read():
    model, x = build(), clip()
    strength = torch.zeros_like(x[:, :1])
    strength[:, :, 0] = 1.0
    masked = run(model, x, Condition(text(), known=Known(torch.zeros_like(x), strength)))
    filled = run(model, x, Condition(text(), known=Known(clip(seed=3), strength)))
    plain = run(model, x, Condition(text()))
    assert not torch.allclose(masked, plain, atol=1e-4)
    assert not torch.allclose(masked, filled, atol=1e-4)


def test_learning_to_look_at_what_is_given_begins_at_nothing():
    model, x = TINY.build(), clip()
    known = Known(clip(seed=3), torch.ones_like(x[:, :1]))
    assert torch.equal(
        run(model, x, Condition(text())), run(model, x, Condition(text(), known=known))
    )


def test_masked_words_are_as_good_as_absent():
    model, x, words = build(), clip(), text(words=4)
    masked = replace(words, mask=torch.tensor([[True, True, False, False]]).expand(2, -1))
    short = replace(words, tokens=words.tokens[:, :2])
    assert torch.allclose(
        run(model, x, Condition(masked)), run(model, x, Condition(short)), atol=1e-5
    )


def test_a_video_is_not_its_mirror_image():
    model, x = build(), clip()
    there = run(model, x, Condition(text()))
    back = run(model, x.flip(2), Condition(text())).flip(2)
    assert not torch.allclose(there, back, atol=1e-4)


def test_a_distilled_model_reads_and_needs_the_guidance():
    model, x = build(replace(TINY, guided=True, given=False)), clip()
    four, five = (
        run(model, x, Condition(text(), facts={"guidance": torch.full((2,), value)}))
        for value in (4.0, 5.0)
    )
    assert not torch.allclose(four, five, atol=1e-4)
    with pytest.raises(ConfigError, match="guidance"):
        run(model, x, Condition(text()))


def test_what_does_not_fit_is_refused_with_the_nearest_choice():
    model, x = build(), clip()
    with pytest.raises(ConfigError, match="nearest: 4 x 6"):
        run(model, x[..., :5], Condition(text()))
    with pytest.raises(ConfigError, match="one per sample"):
        run(model, x, Condition(text()), torch.zeros(2, 1, 3, 1, 1))
    with pytest.raises(ConfigError, match="pooled"):
        run(model, x, Condition(TextEmbedding(text().tokens)))
    with pytest.raises(ConfigError, match="no channels"):
        known = Known(x, torch.ones_like(x[:, :1]))
        run(build(replace(TINY, given=False)), x, Condition(text(), known=known))
    with pytest.raises(ConfigError, match="even numbers"):
        replace(TINY, shares=(4, 5, 7))


@pytest.mark.parametrize("guided", [False, True])
def test_every_parameter_learns(guided):
    model = build(replace(TINY, guided=guided))
    facts = {"guidance": torch.full((2,), 4.0)}
    known = Known(clip(seed=3), torch.ones_like(clip()[:, :1]))
    output = model(clip(), times(0.3, 0.8), Condition(text(), known=known, facts=facts))
    output.square().sum().backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in still if not name.endswith("key.bias")] == []
