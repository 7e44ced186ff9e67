"""The LTX denoiser keeps the promises of its interface."""

from dataclasses import replace

import pytest
import torch

from kineograph.denoisers.ltx import LTX, Local, LTXConfig
from kineograph.errors import ConfigError
from kineograph.nn.rotary import Falling
from kineograph.types import Condition, Grid, Inside, Layout, Skip, TextEmbedding

SMALL = LTXConfig(
    layers=2,
    heads=2,
    head_width=10,
    in_channels=3,
    out_channels=3,
    text_width=5,
    temporal_scale=4,
    spatial_scale=8,
    max_positions=(2.0, 64.0, 64.0),
    theta=10.0,
)
LATENTS = (2, 3, 3, 4, 4)


def model(config: LTXConfig = SMALL) -> LTX:
    """A model whose every weight matters."""
    torch.manual_seed(0)
    built = config.build().eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built


def condition(layout: Layout | None = None, skip: Skip | None = None) -> Condition:
    generator = torch.Generator().manual_seed(1)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    text = TextEmbedding(torch.randn(2, 3, 5, generator=generator), mask)
    return Condition(
        text=text,
        facts={"fps": torch.tensor([8.0, 12.0])},
        layout=layout or Layout(),
        inside=Inside(skip),
    )


def latents() -> torch.Tensor:
    return torch.randn(LATENTS, generator=torch.Generator().manual_seed(2))


TIME = torch.tensor([0.3, 0.8]).view(2, 1, 1, 1, 1)
close = torch.testing.assert_close


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, patch=2, local=Local(width=4))])
@torch.no_grad()
def test_the_result_has_the_shape_of_the_latents(config):
    for shape in (LATENTS, (2, 3, 1, 4, 4), (2, 3, 2, 2, 6)):
        assert model(config)(torch.randn(shape), TIME, condition()).shape == shape


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, patch=2, local=Local(width=4))])
def test_an_untrained_model_predicts_zero_and_all_of_it_learns(config):
    torch.manual_seed(0)
    fresh = config.build()
    optimiser = torch.optim.SGD(fresh.parameters(), lr=0.1)
    assert not fresh(latents(), TIME, condition()).any()
    for _ in range(3):
        optimiser.zero_grad()
        (fresh(latents(), TIME, condition()) - 1).square().mean().backward()
        optimiser.step()
    idle = [name for name, p in fresh.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


@torch.no_grad()
def test_one_time_may_be_told_for_the_clip_each_frame_or_each_cell():
    ltx, x, told = model(), latents(), condition()
    whole = ltx(x, TIME, told)
    close(ltx(x, TIME.expand(2, 1, 3, 1, 1), told), whole)
    close(ltx(x, TIME.expand(2, 1, 3, 4, 4).clone(), told), whole)
    frames = torch.rand(2, 1, 3, 1, 1)
    cells = frames.expand(2, 1, 3, 4, 4).clone()
    close(ltx(x, cells, told), ltx(x, frames, told))
    cells[0, 0, 1, 2, 3] += 0.1
    assert not torch.allclose(ltx(x, cells, told)[0], ltx(x, frames, told)[0])
    close(ltx(x, cells, told)[1], ltx(x, frames, told)[1])


@torch.no_grad()
def test_frequencies_may_fall_instead_of_rise():  # 4.3.2
    falling = model(replace(SMALL, spacing=Falling()))
    turns = falling.places(torch.tensor([[[1.5], [16.0], [48.0]]]), 2, 10)  # fractions of 2 and 64
    first = turns.sin.flatten()[1:4]  # one pair of the ten is left over and does not turn
    close(first, (torch.tensor([0.5, -0.5, 0.5]) * torch.pi / 2).sin())
    rising, other = (one(latents(), TIME, condition()) for one in (model(), falling))
    assert not torch.allclose(rising, other, atol=1e-3)


@torch.no_grad()
def test_time_may_be_the_same_for_the_batch():
    same = torch.full((1, 1, 1, 1, 1), 0.5)
    close(
        model()(latents(), same, condition()),
        model()(latents(), same.expand(2, -1, -1, -1, -1), condition()),
    )


@torch.no_grad()
def test_a_patch_is_as_noisy_as_its_noisiest_cell():
    ltx, x = model(replace(SMALL, patch=2)), latents()
    mixed = torch.full((2, 1, 3, 4, 4), 0.6)
    mixed[:, :, 0, ::2, ::2] = 0.0
    close(ltx(x, mixed, condition()), ltx(x, torch.full_like(mixed, 0.6), condition()))


@torch.no_grad()
def test_samples_do_not_see_each_other():
    told = condition()
    alone = Condition(
        text=TextEmbedding(told.text.tokens[1:], told.text.mask[1:]),
        facts={"fps": told.facts["fps"][1:]},
    )
    both = model()(latents(), TIME, told)
    close(both[1:], model()(latents()[1:], TIME[1:], alone), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_masked_words_are_not_read():
    told = condition()
    changed = told.text.tokens.clone()
    changed[1, 1:] = 9.0
    other = replace(told, text=TextEmbedding(changed, told.text.mask))
    close(model()(latents(), TIME, told), model()(latents(), TIME, other))


@pytest.mark.parametrize(("causal", "own"), [(False, [0, 4, 8]), (True, [0, 1, 5])])
@torch.no_grad()
def test_latent_frames_lie_where_the_autoencoder_puts_them(causal, own):
    ltx = model(replace(SMALL, causal_positions=causal))
    positions = ltx.positions(Grid(3, 4, 4), condition(), 2)
    seconds = positions[:, 0].view(2, 3, 16)
    close(seconds[0, :, 0], torch.tensor(own) / 8.0)
    close(seconds[1, :, 5], torch.tensor(own) / 12.0)
    assert positions[0, 1, :8].tolist() == [0, 0, 0, 0, 8, 8, 8, 8]
    assert positions[0, 2, :8].tolist() == [0, 8, 16, 24] * 2
    placed = condition(Layout(when=torch.tensor([own, own])))
    close(ltx(latents(), TIME, placed), ltx(latents(), TIME, condition()))


@torch.no_grad()
def test_a_frame_off_the_grid_is_seen_where_it_lies():
    ltx, x = model(), latents()
    here, there = (
        ltx(x, TIME, condition(Layout(when=torch.tensor([when, when]))))
        for when in ([0, 4, 8], [7, 4, 8])
    )
    assert not torch.allclose(here, there)


def test_without_a_frame_rate_the_message_says_what_is_missing():
    with pytest.raises(ConfigError, match="fps"):
        model()(latents(), TIME, replace(condition(), facts={}))


@torch.no_grad()
def test_dropped_tokens_are_neither_computed_nor_seen():
    ltx, x = model(), latents()
    keep = torch.stack([torch.randperm(48)[:40].sort()[0] for _ in range(2)])
    dropped = torch.ones(2, 48).scatter(1, keep, 0.0).view(2, 1, 3, 4, 4)
    told = condition(Layout(keep=keep))
    y = ltx(x, TIME, told)
    assert not (y * dropped).any()
    close(ltx(x + 5 * dropped, TIME, told), y)
    whole = condition(Layout(keep=torch.arange(48).expand(2, -1)))
    close(ltx(x, TIME, whole), ltx(x, TIME, condition()))
    cells = torch.rand(2, 1, 3, 4, 4)
    close(ltx(x, cells, whole), ltx(x, cells, condition()))


@pytest.mark.parametrize("how", ["values", "attention", "block"])
@torch.no_grad()
def test_a_skip_disturbs_its_samples_and_no_other(how):
    ltx, x = model(), latents()
    plain = ltx(x, TIME, condition())
    keep = torch.ones(2, 2)
    close(ltx(x, TIME, condition(skip=Skip(keep, how))), plain)
    keep[1, 0] = 0.0
    disturbed = ltx(x, TIME, condition(skip=Skip(keep, how)))
    assert not torch.allclose(disturbed[0], plain[0])
    close(disturbed[1], plain[1])


@torch.no_grad()
def test_a_skipped_block_is_as_if_it_were_not_there():
    ltx = model()
    shorter = model(replace(SMALL, layers=1))
    state = {k: v for k, v in ltx.state_dict().items() if not k.startswith("blocks.1.")}
    shorter.load_state_dict(state)
    skip = Skip(torch.tensor([[1.0, 1.0], [0.0, 0.0]]), "block")
    close(ltx(latents(), TIME, condition(skip=skip)), shorter(latents(), TIME, condition()))


@torch.no_grad()
def test_pooled_text_is_read_where_the_config_says_so():
    told = condition()
    with_pooled = replace(told, text=replace(told.text, pooled=torch.randn(2, 5)))
    deaf, hearing = model(), model(replace(SMALL, pooled_width=5))
    close(deaf(latents(), TIME, with_pooled), deaf(latents(), TIME, told))
    assert not torch.allclose(hearing(latents(), TIME, with_pooled), hearing(latents(), TIME, told))


@torch.no_grad()
def test_half_precision_weights_give_about_the_same():
    exact = model()(latents(), TIME, condition())
    rough = model().bfloat16()(latents().bfloat16(), TIME, condition_in_half())
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).norm() < 0.05 * exact.norm()


def condition_in_half() -> Condition:
    told = condition()
    return replace(told, text=replace(told.text, tokens=told.text.tokens.bfloat16()))


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="nearest: 12"):
        replace(SMALL, head_width=11)
    with pytest.raises(ConfigError, match="nearest: 4 x 6"):
        model(replace(SMALL, patch=2))(torch.randn(2, 3, 1, 3, 5), TIME, condition())


def test_the_defaults_are_the_published_model():
    with torch.device("meta"):
        count = sum(p.numel() for p in LTXConfig().build().parameters())
    assert count == 1_923_385_472
