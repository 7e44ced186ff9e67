"""The STIV denoiser keeps the promises of its interface and of the paper's equations."""

from dataclasses import replace

import pytest
import torch

from kineograph.conditioning.replacement import ReplacedFrames
from kineograph.conditioning.token_dropping import SpatialDropping
from kineograph.denoisers.stiv import (
    STIV,
    XL,
    XXL,
    Block,
    M,
    Places,
    Shared,
    STIVConfig,
    sum_of_norms,
)
from kineograph.diffusion.joint import Joint
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.samplers import Euler
from kineograph.diffusion.sampling import Look, sample
from kineograph.diffusion.times import Uniform
from kineograph.errors import ConfigError
from kineograph.nn.modulation import Branch
from kineograph.types import Condition, Grid, Known, Layout, TextEmbedding, seeded

SMALL = STIVConfig(
    layers=2,
    whole_layers=1,
    heads=2,
    head_width=12,
    channels=3,
    text_width=5,
    pooled_width=6,
    mlp_ratio=2.0,
    micro=("height", "stride"),
    theta=100.0,
)
LATENTS = (2, 3, 4, 4, 6)
GRID = Grid(2, 2, 3)
TIME = torch.tensor([0.3, 0.8]).view(2, 1, 1, 1, 1)
PROCESS = Process(path=RectifiedFlow(), prediction=Velocity(), injection=ReplacedFrames())
close = torch.testing.assert_close


def model(config: STIVConfig = SMALL) -> STIV:
    """A model whose every weight matters."""
    torch.manual_seed(0)
    built = config.build().eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built


def condition(layout: Layout | None = None) -> Condition:
    generator = torch.Generator().manual_seed(1)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    text = TextEmbedding(
        torch.randn(2, 3, 5, generator=generator), mask, torch.randn(2, 6, generator=generator)
    )
    facts = {"height": torch.tensor([256.0, 512.0]), "stride": torch.tensor([3.0, 1.0])}
    return Condition(text=text, facts=facts, layout=layout or Layout())


def latents(shape: tuple[int, ...] = LATENTS) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7])
@torch.no_grad()
def test_the_result_has_the_shape_of_the_latents(frames):
    shape = (2, 3, frames, 4, 6)
    assert model()(latents(shape), TIME, condition()).shape == shape


@torch.no_grad()
def test_missing_frames_are_the_last_one_again():
    stiv, x = model(), latents((2, 3, 3, 4, 6))
    longer = torch.cat((x, x[:, :, -1:]), 2)
    close(stiv(x, TIME, condition()), stiv(longer, TIME, condition())[:, :, :3])


def test_an_untrained_model_predicts_zero_and_all_of_it_learns():
    torch.manual_seed(0)
    fresh = SMALL.build()
    keep = SpatialDropping()(2, GRID, seeded([1, 2]))
    told = condition(Layout(keep=keep))
    optimiser = torch.optim.SGD(fresh.parameters(), lr=0.1)
    assert not fresh(latents(), TIME, told).any()
    for _ in range(4):
        optimiser.zero_grad()
        (fresh(latents(), TIME, told) - 1).square().mean().backward()
        optimiser.step()
    idle = [name for name, p in fresh.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


@torch.no_grad()
def test_untrained_blocks_are_the_identity():
    stiv, x = SMALL.build(), torch.randn(2, GRID.size, SMALL.width)
    time = stiv.singleton(torch.rand(2), condition())[:, None]
    words = stiv.text(condition().text.tokens)
    shared = Shared(stiv.modulation(time), words, None, Places(GRID))
    for block in (*stiv.blocks, *stiv.whole_blocks):
        assert torch.equal(block(x, shared), x)


@torch.no_grad()
def test_a_branchs_change_is_as_long_whatever_its_layers_give():
    """The norm behind a layer: its change has variance 1, times the gate."""
    block = Block(SMALL)
    one = Branch(torch.zeros(1, 1, 1, 24), torch.ones(1, 1, 1, 24), torch.ones(1, 1, 1, 24))
    x = torch.randn(1, GRID.size, 24)
    for factor in (1.0, 50.0):
        block.mlp.down.weight.mul_(factor)
        change = block.transform(x, one) - x
        close(change.square().mean(-1), torch.ones(1, GRID.size), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("change", ["x", "time", "words", "pooled", "height", "stride"])
@torch.no_grad()
def test_everything_told_matters_and_only_to_its_own_sample(change):
    stiv, x, time, told = model(), latents(), TIME.clone(), condition()
    text, facts = told.text, dict(told.facts)
    more = torch.tensor([0.0, 0.5])
    if change == "x":
        x = x + more.view(2, 1, 1, 1, 1)
    elif change == "time":
        time = time - 0.2 * more.view(2, 1, 1, 1, 1)
    elif change == "words":
        text = replace(text, tokens=text.tokens + more.view(2, 1, 1))
    elif change == "pooled":
        text = replace(text, pooled=text.pooled * (1 + torch.randn(2, 6) * more.view(2, 1)))
    else:
        facts[change] = facts[change] + more
    before = stiv(latents(), TIME, told)
    after = stiv(x, time, replace(told, text=text, facts=facts))
    close(after[0], before[0])
    assert not torch.allclose(after[1], before[1], atol=1e-4)


@torch.no_grad()
def test_masked_words_are_not_read():
    stiv, told = model(), condition()
    words = told.text.tokens.clone()
    words[1, 1:] = 99.0
    other = replace(told, text=replace(told.text, tokens=words))
    close(stiv(latents(), TIME, other), stiv(latents(), TIME, told))


@torch.no_grad()
def test_images_do_not_need_the_attention_along_time():
    stiv, image = model(), latents((2, 3, 1, 4, 6))
    before, clip = stiv(image, TIME, condition()), stiv(latents(), TIME, condition())
    for block in (*stiv.blocks, *stiv.whole_blocks):
        torch.nn.init.zeros_(block.time.out.weight)
    assert torch.equal(stiv(image, TIME, condition()), before)
    assert not torch.allclose(stiv(latents(), TIME, condition()), clip)


@torch.no_grad()
def test_a_whole_list_of_kept_tokens_drops_nothing():
    stiv, every = model(), torch.arange(GRID.size).expand(2, -1)
    whole = stiv(latents(), TIME, condition())
    close(stiv(latents(), TIME, condition(Layout(keep=every))), whole)


@torch.no_grad()
def test_the_main_blocks_do_not_see_dropped_tokens_but_all_are_predicted():
    stiv = model(replace(SMALL, whole_layers=0))
    keep = torch.tensor([[0, 2, 4, 6, 8, 10], [1, 2, 3, 7, 8, 9]])  # places and places + 6
    told = condition(Layout(keep=keep))
    x = latents()
    other = x.clone()
    other[0, :, :, :2, 2:4] += 1.0  # place 1: dropped in the first sample
    before = stiv(x, TIME, told)
    close(stiv(other, TIME, told), before)
    assert before[:, :, :, :2, 2:4].any()
    other[1, :, :, :2, 2:4] += 1.0  # and kept in the second
    assert not torch.allclose(stiv(other, TIME, told)[1], before[1])


@torch.no_grad()
def test_kept_tokens_are_turned_by_the_places_they_had():
    """Without its last column a clip is a narrower one; without its middle it is not."""
    stiv, x = model(replace(SMALL, whole_layers=0)), latents()
    narrow = stiv(x[..., :4], TIME, condition())
    left = torch.tensor([0, 1, 3, 4, 6, 7, 9, 10]).expand(2, -1)
    close(stiv(x, TIME, condition(Layout(keep=left)))[..., :4], narrow)
    apart = left + torch.tensor([0, 1]).repeat(4)
    pulled = x[..., [0, 1, 0, 0, 2, 3]]
    found = stiv(pulled, TIME, condition(Layout(keep=apart)))[..., [0, 1, 4, 5]]
    assert not torch.allclose(found, narrow, atol=1e-4)


@torch.no_grad()
def test_a_model_that_keeps_one_frame_sees_it_as_an_image():
    """Dropping along time (A.3), which the paper advises against: all is predicted all the same."""
    stiv, x = model(replace(SMALL, whole_layers=0)), latents()
    kept = stiv(x, TIME, condition(Layout(keep=torch.arange(6).expand(2, -1))))
    close(kept[:, :, :2], stiv(x[:, :, :2], TIME, condition()))
    assert kept[:, :, 2:].any()


@pytest.mark.parametrize("keep", [[0, 1, 2, 9], [0, 1, 6, 8], [3, 9, 4], [9, 3]])
def test_kept_tokens_that_are_no_columns_are_refused(keep):
    told = condition(Layout(keep=torch.tensor(keep).expand(2, -1)))
    with pytest.raises(ConfigError, match="same places"):
        model()(latents(), TIME, told)


@torch.no_grad()
def test_a_stretched_model_sees_a_longer_grid_as_the_trained_one():
    """The last of 2n - 1 interpolated positions is the last of n trained ones."""
    trained, long = model(), model(replace(SMALL, stretch=(2.0, 2.0, 2.0)))
    short = trained.in_space(torch.tensor([[[0.0, 1.0], [0.0, 2.0]]]))
    close(long.in_space(torch.tensor([[[0.0, 2.0], [0.0, 4.0]]])).cos, short.cos)
    close(
        long.in_time(torch.tensor([[[0.0, 6.0]]])).sin,
        trained.in_time(torch.tensor([[[0.0, 3.0]]])).sin,
    )


def test_each_part_of_the_singleton_weighs_the_same():
    one, two = torch.randn(2, 8), torch.randn(2, 8)
    close(sum_of_norms([100.0 * one, two], 1e-6), sum_of_norms([one, two], 1e-6))


@pytest.mark.parametrize(("config", "billions"), [(XL, 0.819), (XXL, 1.926), (M, 9.199)])
def test_full_sizes(config, billions):
    with torch.device("meta"):
        stiv = config.build()
    assert config.width == {28: 1152, 38: 1536, 46: 3072}[config.layers]
    assert len(stiv.whole_blocks) == 2
    assert sum(p.numel() for p in stiv.parameters()) / 1e9 == pytest.approx(billions, rel=0.001)


@torch.no_grad()
def test_a_given_frame_comes_out_and_shares_its_token_with_a_free_one():
    strength = torch.zeros(2, 1, 4, 4, 6)
    strength[:, :, 0] = 1.0
    known = Known(latents(), strength)
    look = Look(
        denoiser=model(),
        process=PROCESS,
        guidance=Joint(),
        condition=replace(condition(), known=known),
        empty=replace(condition().text, tokens=torch.zeros(2, 3, 5)),
    )
    times = torch.tensor([1.0, 0.5, 0.0])
    found = sample(look, Euler(), seeded([1, 2])(LATENTS), times, seeded([1, 2]))
    assert torch.equal(found[:, :, 0], latents()[:, :, 0])
    other = replace(look.condition, known=Known(latents() + strength, strength))
    changed = replace(look, condition=other)
    moved = sample(changed, Euler(), seeded([1, 2])(LATENTS), times, seeded([1, 2]))
    assert not torch.allclose(moved[:, :, 1], found[:, :, 1], atol=1e-3)


def test_dropped_and_given_tokens_learn_together():
    """Masked training: half of the places are dropped, a frame is given, all others count."""
    stiv, strength = SMALL.build(), torch.zeros(2, 1, 4, 4, 6)
    strength[0, :, 0] = 1.0
    keep = SpatialDropping()(2, SMALL.cells.grid((4, 4, 6)), seeded([1, 2]))
    told = replace(condition(Layout(keep=keep)), known=Known(latents(), strength))
    objective = Objective(times=Uniform(), count_dropped=True)
    draws = seeded([3, 4])
    Uniform().sample(2, draws, GRID)
    wanted = (draws(LATENTS) - latents()).square()  # an untrained model says 0
    per_sample = torch.stack([wanted[0, :, 1:].mean(), wanted[1].mean()])
    loss = objective(stiv, PROCESS, latents(), told, seeded([3, 4]))
    close(loss.per_sample, per_sample)
    loss.mean.backward()
    assert stiv.patch_out.weight.grad.any()


def test_what_lacks_is_named():
    stiv, told = model(), condition()
    with pytest.raises(ConfigError, match="pooled"):
        stiv(latents(), TIME, replace(told, text=replace(told.text, pooled=None)))
    with pytest.raises(ConfigError, match="stride"):
        stiv(latents(), TIME, replace(told, facts={"height": told.facts["height"]}))
    with pytest.raises(ConfigError, match="one per sample"):
        stiv(latents(), TIME.expand(2, 1, 4, 1, 1), told)
    with pytest.raises(ConfigError, match=r"head_width = 7.*nearest: 8"):
        replace(SMALL, head_width=7)
