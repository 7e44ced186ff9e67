"""The Skiparse transformer reads what it says it reads, and sparse blocks look sparsely."""

from dataclasses import replace

import pytest
import torch

from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.errors import ConfigError
from kineograph.nn.grouping import Full, GroupSkip, SingleSkip
from kineograph.types import Condition, Known, Layout, TextEmbedding

TINY = SkiparseConfig(
    layers=4, heads=2, head_width=6, in_channels=3, out_channels=3, text_width=5, stride=2
)
GUIDED = replace(TINY, mask_channels=4)
SIZE = (3, 4, 6)


def build(config=TINY):
    """A model in which nothing is zero, so that everything has an influence."""
    torch.manual_seed(0)
    model = config.build().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def random(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def text(batch=2, words=4, seed=1):
    return TextEmbedding(random(batch, words, 5, seed=seed))


def clip(batch=2, seed=2, size=SIZE):
    return random(batch, 3, *size, seed=seed)


def known(batch=2, seed=3):
    return Known(clip(batch, seed), (random(batch, 4, *SIZE, seed=seed) > 0).float())


def times(*values):
    return torch.tensor(values).view(-1, 1, 1, 1, 1)


@torch.no_grad()
def run(model, x, condition, time=None):
    return model(x, times(0.3, 0.8)[: len(x)] if time is None else time, condition)


def test_the_published_blocks_are_dense_at_both_ends_and_skip_in_turn():
    found = [SkiparseConfig().grouping(layer) for layer in range(32)]
    assert found[:2] + found[30:] == [Full()] * 4
    assert found[2:30] == [SingleSkip(4), GroupSkip(4)] * 14


@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize("size", [(1, 2, 2), (3, 4, 6), (2, 6, 2)])  # padded or not
def test_the_shape_stays(patch, size):
    model = build(replace(TINY, patch=patch, out_channels=5))
    assert run(model, clip(size=size), Condition(text())).shape == (2, 5, *size)


@pytest.mark.parametrize("change", ["x", "time", "words", "latents", "mask"])
def test_everything_it_reads_changes_the_output_of_its_own_sample_only(change):
    model, given = build(GUIDED), known()
    x, time, words = clip(), times(0.3, 0.8), text()
    before = run(model, x, Condition(words, given), time)
    if change == "x":
        x = x + torch.tensor([0.0, 1.0]).view(2, 1, 1, 1, 1) * clip(seed=8)
    if change == "time":
        time = times(0.3, 0.4)
    if change == "words":
        words = replace(words, tokens=words.tokens + torch.tensor([0.0, 1.0]).view(2, 1, 1))
    if change == "latents":
        step = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1, 1)
        given = replace(given, latents=given.latents + step)
    if change == "mask":
        step = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1, 1)
        given = replace(given, strength=given.strength * (1 - step))
    after = run(model, x, Condition(words, given), time)
    torch.testing.assert_close(after[0], before[0])
    assert (after[1] - before[1]).abs().max() > 1e-3


def test_masked_words_are_not_read():
    model, x = build(), clip()
    mask = torch.tensor([[True, True, False, True], [True, False, True, True]])
    words = replace(text(), mask=mask)
    other = replace(words, tokens=torch.where(mask[..., None], words.tokens, 9.0))
    torch.testing.assert_close(run(model, x, Condition(other)), run(model, x, Condition(words)))


@pytest.mark.parametrize("batch", [1, 2])
def test_cells_that_do_not_exist_are_not_looked_at(batch):
    model, x = build(), clip(batch)
    valid = torch.ones(batch, 1, *SIZE, dtype=torch.bool)
    valid[:, :, 2:] = False
    condition = Condition(text(batch), layout=Layout(valid=valid))
    other = torch.where(valid, x, 7.0)
    found, changed = run(model, x, condition), run(model, other, condition)
    torch.testing.assert_close(found[:, :, :2], changed[:, :, :2])
    assert not torch.allclose(found[:, :, :2], run(model, x, Condition(text(batch)))[:, :, :2])


def test_a_token_with_one_cell_exists():
    model, x = build(), clip()
    valid = torch.zeros(2, 1, *SIZE, dtype=torch.bool)
    valid[..., ::2, ::2] = True
    found = run(model, x, Condition(text(), layout=Layout(valid=valid)))
    torch.testing.assert_close(found, run(model, x, Condition(text())))


@pytest.mark.parametrize(("sparse", "reaches"), [((0, 0), True), ((0, 1), False)])
def test_a_sparse_block_sees_only_its_group(sparse, reaches):
    model = build(replace(TINY, layers=1, sparse=sparse, patch=1))
    x = clip(1)
    other = x.clone()
    other[:, :, 0, 0, 0] += 1  # token 0, which the odd tokens never meet in one single skip
    time = times(0.5)
    moved = run(model, x, Condition(text(1)), time) - run(model, other, Condition(text(1)), time)
    change = moved.abs().amax(1).flatten()
    assert bool((change[1::2] > 1e-6).all()) is reaches
    assert bool((change[::2] > 1e-6).all())


def test_positions_count_in_units():
    model = build(replace(TINY, units=(2.0, 2.0, 2.0)))
    other = build(TINY)
    other.load_state_dict(model.state_dict())
    x = clip()
    assert not torch.allclose(run(model, x, Condition(text())), run(other, x, Condition(text())))


def test_time_is_the_entry_of_the_noise_table():
    model = build()
    seen = []
    model.time.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    run(model, clip(), Condition(text()), times(1.0, 0.001))
    torch.testing.assert_close(seen[0], torch.tensor([[999.0], [0.0]]))


def test_a_fresh_model_predicts_zero_and_ignores_what_is_given():
    model = GUIDED.build().eval()
    x = clip()
    assert not run(model, x, Condition(text(), known())).any()
    torch.nn.init.normal_(model.patch_out.weight)
    one, two = (run(model, x, Condition(text(), known(seed=seed))) for seed in (3, 4))
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize("given", [None, Known(clip(), torch.zeros(2, 1, *SIZE))])
def test_a_model_for_given_frames_asks_for_them(given):
    with pytest.raises(ConfigError, match="mask of 4 channels"):
        run(build(GUIDED), clip(), Condition(text(), given))


def test_without_mask_channels_nothing_given_is_read():
    model, x = build(), clip()
    torch.testing.assert_close(
        run(model, x, Condition(text(), known())), run(model, x, Condition(text()))
    )


def test_a_head_must_hold_three_axes_of_pairs():
    with pytest.raises(ConfigError, match="nearest: 66"):
        SkiparseConfig(head_width=64)


def test_half_precision_stays_half():
    model = build().bfloat16()
    words = replace(text(), tokens=text().tokens.bfloat16())
    found = run(model, clip(size=(3, 6, 10)).bfloat16(), Condition(words))
    assert found.dtype == torch.bfloat16
    assert found.isfinite().all()


def test_every_weight_learns():
    model = build(GUIDED).train()
    model(clip(), times(0.3, 0.8), Condition(text(), known())).square().mean().backward()
    still = [name for name, weight in model.named_parameters() if not weight.grad.any()]
    assert all(name.endswith("attention.key.bias") for name in still), still  # softmax drops it
