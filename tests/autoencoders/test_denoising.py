"""The denoising autoencoder: shapes, causality, noise, time, and its decoder written twice."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from kineograph.autoencoders.denoising import Denoising, DenoisingConfig, into_channels
from kineograph.autoencoders.denoising_blocks import Moment
from kineograph.autoencoders.denoising_stages import (
    Attended,
    Folded,
    Residuals,
    Strided,
    Transition,
    Unfolded,
)
from kineograph.autoencoders.tiled import Tiling
from kineograph.errors import ConfigError
from kineograph.types import replayed, seeded

OLD = DenoisingConfig(
    latent_channels=3,
    patch=2,
    encoder_base=4,
    encoder=(Residuals(blocks=1), Strided(channels=4), Transition(channels=6), Residuals(blocks=1)),
    decoder_base=6,
    decoder=(Residuals(blocks=1), Transition(channels=4), Unfolded(channels=4)),
    timed=False,
)
NEW = DenoisingConfig(
    latent_channels=3,
    patch=2,
    encoder_base=2,
    encoder=(
        Residuals(blocks=1),
        Folded(stride=(1, 2, 2), channels=4),
        Folded(stride=(2, 1, 1), channels=4),
    ),
    decoder_base=8,
    decoder=(
        Residuals(blocks=1),
        Unfolded(channels=4, straight=True),
        Residuals(blocks=2, noise=True),
    ),
)
VARIANTS = {
    "old": OLD,
    "new": NEW,
    "causal decoder": replace(NEW, causal_decoder=True),
    "a variance for each channel": replace(OLD, variance="each"),
    "attention": replace(NEW, decoder=(Attended(blocks=1, head_width=4), *NEW.decoder[1:])),
    "untimed attention": replace(OLD, decoder=(Attended(blocks=1, head_width=3), *OLD.decoder[1:])),
}


def build(config: DenoisingConfig) -> Denoising:
    """Random weights everywhere, also where they begin at zero."""
    torch.manual_seed(0)
    model = config.build().eval()
    for name, weight in model.named_parameters():
        if name.endswith("size"):
            torch.nn.init.normal_(weight)
    return model


def clip(latent_frames: int, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, 3, 2 * latent_frames - 1, 8, 12, generator=generator) * 2 - 1


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("latent_frames", [1, 3])
def test_a_clip_comes_back_in_its_shape(config, latent_frames):
    model, video = build(config), clip(latent_frames, batch=2)
    latents = model.encode(video)
    assert latents.shape[1:] == model.latent_shape(*video.shape[2:]) == (3, latent_frames, 2, 3)
    assert model.decode(latents, frames=video.shape[2]).shape == video.shape


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_a_later_frame_does_not_change_an_earlier_latent(config):
    model, before = build(config), clip(3)
    after = before.clone()
    after[:, :, 3] += 1  # the first frame of the third latent frame
    changed = (model.encode(before) - model.encode(after)).abs().amax(dim=(0, 1, 3, 4)) > 1e-6
    assert changed.tolist() == [False, False, True]


@pytest.mark.parametrize(("causal", "changes"), [(False, True), (True, False)])
def test_the_decoder_looks_ahead_unless_it_is_causal(causal, changes):
    model = build(replace(OLD, causal_decoder=causal))
    before = torch.randn(1, 3, 3, 2, 2)
    after = before.clone()
    after[:, :, 2] += 1
    first = [model.decode(latents)[:, :, 0] for latents in (before, after)]
    assert (not torch.equal(*first)) == changes


@pytest.mark.parametrize("config", [VARIANTS[name] for name in VARIANTS if "attention" not in name])
@pytest.mark.parametrize(("latent_frames", "chunk"), [(1, 1), (3, 1), (5, 2), (8, 1), (9, 4)])
def test_chunks_code_what_the_whole_clip_codes(config, latent_frames, chunk):
    whole, chunked = build(config).double(), build(replace(config, chunk=chunk)).double()
    step = config.compression.frames
    video = clip(1 + step * (latent_frames - 1) // 2, batch=2).double()
    latents = whole.encode(video)
    assert (chunked.encode(video) - latents).abs().max() < 1e-10
    pixels = whole.decode(latents, draws=seeded([3, 4]))
    assert (chunked.decode(latents, draws=seeded([3, 4])) - pixels).abs().max() < 1e-10


def test_one_variance_serves_all_channels_of_a_latent():
    logvar = build(OLD).posterior(clip(2)).logvar
    assert torch.equal(logvar, logvar[:, :1].expand_as(logvar))
    logvar = build(replace(OLD, variance="each")).posterior(clip(2)).logvar
    assert not torch.equal(logvar, logvar[:, :1].expand_as(logvar))


def test_statistics_are_undone():
    model, latents = build(OLD), torch.randn(2, 3, 2, 1, 2)
    model.mean.copy_(torch.tensor([0.1, 0.2, 0.3]))
    model.std.copy_(torch.tensor([1.0, 2.0, 4.0]))
    assert torch.allclose(model.normalise(latents)[:, 2], (latents[:, 2] - 0.3) / 4, atol=1e-6)
    assert torch.allclose(model.denormalise(model.normalise(latents)), latents, atol=1e-6)


def test_a_columns_offset_is_slower_than_a_rows_in_a_patch():
    video = torch.arange(4.0).view(1, 1, 1, 2, 2)  # 0 1 above 2 3
    assert into_channels(video, 2).flatten().tolist() == [0, 2, 1, 3]


def test_decoding_is_deterministic_and_its_noise_comes_from_draws():
    model, latents = build(NEW), torch.randn(2, 3, 2, 2, 2)
    assert torch.equal(model.decode(latents), model.decode(latents))
    found = [model.decode(latents, draws=seeded([1, seed])) for seed in (2, 2, 3)]
    assert torch.equal(found[0], found[1])
    same = (found[0] == found[2]).flatten(1).all(1)
    assert same.tolist() == [True, False]  # the row whose seed did not change


def test_a_share_of_the_latents_is_replaced_by_noise_before_decoding():
    model, latents = build(replace(NEW, decode_noise=0.25)), torch.randn(1, 3, 2, 2, 2)
    noise, maps = torch.randn(1, 3, 2, 2, 2), [torch.randn(1, 4, 4) for _ in range(4)]
    found = model.decode(latents, draws=replayed([noise, *maps]))
    mixed = model.denormalise(0.75 * latents + 0.25 * noise)
    assert torch.allclose(found, model.decode_raw(mixed, replayed(maps)), atol=1e-5)


def test_each_clip_has_its_own_time():
    model, latents = build(NEW), torch.randn(1, 3, 2, 2, 2)
    both = model.decode_raw(latents.expand(2, -1, -1, -1, -1), time=torch.tensor([0.05, 0.2]))
    assert torch.allclose(both[:1], model.decode(latents), atol=1e-5)
    assert not torch.allclose(both[0], both[1], atol=1e-3)


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_training_reaches_every_weight(config):
    model, video = build(config).train(), clip(2, batch=2)
    with torch.enable_grad():
        found = model.train_forward(video, seeded([0, 1]))
        (found.video.square().mean() + found.posterior.kl().mean()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert model.last_layer.grad is not None
    assert found.video.shape == video.shape


def test_tiles_need_not_change_what_fits_into_one():
    config = replace(NEW, tiling=Tiling(rows=(8, 8), columns=(12, 8), frames=(4, 2)))
    tiled, whole, video = build(config), build(NEW), clip(2)
    assert torch.equal(tiled.encode(video), whole.encode(video))
    long = torch.randn(1, 3, 6, 4, 5)
    assert tiled.decode(long).shape == whole.decode(long).shape == (1, 3, 11, 16, 20)


def test_a_plain_surface_has_no_border_where_borders_repeat_it():
    video = torch.rand(1, 3, 3, 1, 1).expand(-1, -1, -1, 8, 12)
    for borders, even in (("replicate", True), ("zeros", False)):
        latents = build(replace(OLD, borders=borders)).encode(video)
        assert torch.allclose(latents, latents[..., :1, :1], atol=1e-5) == even


def test_attention_reaches_across_the_clip():
    model = build(replace(OLD, decoder=(Attended(blocks=1, head_width=3), *OLD.decoder[1:])))
    before = torch.randn(1, 3, 9, 1, 1)
    after = before.clone()
    after[:, :, 8] += 1
    stage = model.decoder.stages[0]
    found = [stage(model.decoder.enter(latents), Moment())[:, :, 0] for latents in (before, after)]
    assert not torch.equal(*found)


def test_half_precision_weights_take_any_video():
    model = build(NEW).to(torch.bfloat16)
    assert model.decode(model.encode(clip(1))).dtype == torch.bfloat16


def test_the_published_compression():
    with torch.device("meta"):
        model = DenoisingConfig().build()
    assert model.latent_shape(121, 512, 704) == (128, 16, 16, 22)
    legal = model.nearest(120, 500, 700)
    assert (legal.frames, legal.height, legal.width) == (121, 512, 704)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (lambda: replace(NEW, encoder=OLD.encoder[:1]), "the decoder multiplies by"),
        (lambda: replace(NEW, decode_time=2.0), "decode_time = 2.0"),
        (lambda: replace(NEW, chunk=0), "chunk = 0"),
        (lambda: replace(VARIANTS["attention"], chunk=2), "attention looks at the whole clip"),
        (lambda: build(OLD).encode(torch.zeros(1, 3, 2, 8, 8)), "frames = 2 n"),
        (lambda: build(OLD).encode(torch.zeros(1, 3, 3, 6, 8)), "multiples of 4"),
        (lambda: build(OLD).decode(torch.zeros(1, 3, 2, 1, 1), frames=4), "2 latent frames give 3"),
        (lambda: build(replace(NEW, encoder=(Folded(channels=12),))), "channels = 12 behind 2"),
        (lambda: build(replace(NEW, decoder_base=6)), "straight behind 6"),
        (lambda: Attended(blocks=1, head_width=4).build(6, None), "head_width = 4"),
    ],
)
def test_what_cannot_work_is_refused_in_words(problem, words):
    with pytest.raises(ConfigError, match=words):
        problem()


# The decoder once more, from the equations: a second writing that shares no code.


def pixel(x: Tensor) -> Tensor:
    return x / torch.sqrt(x.square().mean(1, keepdim=True) + 1e-8)


def conv(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    x = torch.cat((x[:, :, :1], x, x[:, :, -1:]), dim=2)
    return functional.conv3d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=(0, 1, 1))


def embed(time: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    angles = 1000 * time[:, None] * 10000 ** (-torch.arange(128) / 128)
    x = torch.cat((angles.cos(), angles.sin()), 1)
    for layer in ("first", "second"):
        x = x @ state[f"{name}.{layer}.weight"].T + state[f"{name}.{layer}.bias"]
        x = functional.silu(x) if layer == "first" else x
    return x


def turn(x: Tensor, rows: Tensor, first: int) -> Tensor:
    """Shift by one row, scale by the next."""
    shift, scale = (rows[:, i, :, None, None, None] for i in (first, first + 1))
    return x * (1 + scale) + shift


def shuffle(x: Tensor) -> Tensor:
    batch, channels, frames, height, width = x.shape
    x = x.view(batch, channels // 8, 2, 2, 2, frames, height, width)
    x = x.permute(0, 1, 5, 2, 6, 3, 7, 4)
    return x.reshape(batch, channels // 8, 2 * frames, 2 * height, 2 * width)[:, :, 1:]


def written_twice(state: dict[str, Tensor], x: Tensor, time: Tensor, maps: list[Tensor]) -> Tensor:
    """The decoder of `NEW`."""
    x, maps = conv(x, state, "enter"), list(maps)
    for stage, blocks in ((0, 1), (2, 2)):
        rows = embed(time, state, f"stages.{stage}.time").view(len(time), 4, -1)
        for i in range(blocks):
            block = f"stages.{stage}.blocks.{i}"
            all_rows, y = rows + state[f"stages.{stage}.tables.{i}"], x
            for half in (1, 2):
                y = functional.silu(turn(pixel(y), all_rows, 2 * half - 2))
                y = conv(y, state, f"{block}.conv_{half}")
                if stage == 2:
                    y = (
                        y
                        + state[f"{block}.noise_{half}.size"][:, None] * maps.pop(0)[:, None, None]
                    )
            x = x + y
        if stage == 0:
            x = shuffle(conv(x, state, "stages.1.up.conv")) + shuffle(x).repeat(1, 4, 1, 1, 1)
    rows = embed(time, state, "last.time").view(len(time), 2, -1) + state["last.table"]
    x = conv(functional.silu(turn(pixel(x), rows, 0)), state, "out")
    batch, _, frames, height, width = x.shape
    x = x.view(batch, 3, 2, 2, frames, height, width)  # colour, column offset, row offset
    return x.permute(0, 1, 4, 5, 3, 6, 2).reshape(batch, 3, frames, 2 * height, 2 * width)


def test_the_decoder_is_what_its_equations_say():
    model, latents = build(NEW), torch.randn(2, 3, 3, 2, 3)
    time, maps = torch.tensor([0.05, 0.2]), [torch.randn(2, 4, 6) for _ in range(4)]
    expected = written_twice(model.decoder.state_dict(), latents, time, maps)
    found = model.decode_raw(latents, replayed(maps), time)
    assert torch.allclose(found, expected, atol=1e-4)


def test_folding_averages_the_channels_that_neighbours_became():
    model = build(replace(NEW, encoder=(Folded(channels=8),)))
    stage, x = model.encoder.stages[0], torch.randn(1, 2, 1, 2, 2)
    stage.conv.weight.zero_()
    stage.conv.bias.zero_()
    found = stage(x, Moment())
    # One frame, doubled: 2 x 2 x 2 x 2 numbers in 8 channels are means of two columns.
    expected = x.mean(-1)[0, :, 0].repeat_interleave(2, 0).flatten()
    assert torch.allclose(found.flatten(), expected, atol=1e-6)
