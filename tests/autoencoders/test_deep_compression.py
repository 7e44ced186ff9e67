"""The deep-compression autoencoder: sizes, lengths, shortcuts, attention, tiles, training."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kineograph.autoencoders.deep_compression import (
    DeepCompression,
    DeepCompressionConfig,
    DeepLevels,
)
from kineograph.autoencoders.deep_compression_blocks import (
    ChannelNorm,
    Down,
    LinearAttention,
    Narrow,
    Up,
    Widen,
    linear_attention,
)
from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.errors import ConfigError
from kineograph.types import Reconstruction, replayed

LEVELS = DeepLevels(
    widths=(4, 8, 32), depths=(1, 1, 1), reaches=(None, None, (3,)), halves=(True, True)
)
EASY = replace(LEVELS, widths=(2, 4, 8), reaches=(None, None, None))
TIMELESS = replace(EASY, halves=(False, False))
TINY = DeepCompressionConfig(latent_channels=2, encoder=EASY, decoder=EASY, divisor=0.5)
LOOKING = replace(TINY, encoder=LEVELS)
VARIANTS = {
    "convolutional": TINY,
    "attentive": LOOKING,
    "points only": replace(
        LOOKING, encoder=replace(LOOKING.encoder, reaches=(None, None, ())), latent_channels=8
    ),
    "no time": replace(
        TINY,
        encoder=replace(EASY, halves=(False, False)),
        decoder=replace(EASY, halves=(False, False)),
    ),
    "deeper": replace(TINY, decoder=replace(EASY, depths=(2, 1, 3))),
}
TILES = OverlapTiling(space=8, frames=16, overlap=0.5)


def build(config: DeepCompressionConfig = TINY) -> DeepCompression:
    torch.manual_seed(0)
    return config.build().eval()


def clip(frames: int = 8, height: int = 8, width: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, 3, frames, height, width, generator=generator) * 2 - 1


def silence(module: torch.nn.Module) -> None:
    for parameter in module.parameters():
        parameter.zero_()


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("frames", [1, 8, 12])
def test_a_legal_clip_comes_back_in_its_shape(config, frames):
    model, video = build(config), clip(frames)
    legal = model.nearest(*video.shape[2:])
    assert (legal.frames, legal.height, legal.width) == video.shape[2:]
    latents = model.encode(video)
    assert latents.shape[1:] == model.latent_shape(*video.shape[2:])
    assert model.decode(latents, frames=frames).shape == video.shape


@pytest.mark.parametrize("frames", [2, 4])
def test_clips_of_one_latent_frame_are_encoded_and_decoded_to_one_frame(frames):
    model = build()
    latents = model.encode(clip(frames))
    assert latents.shape[1:] == model.latent_shape(frames, 8, 4) == (2, 1, 2, 1)
    assert model.decode(latents).shape[2] == 1


@pytest.mark.parametrize(
    ("asked", "legal"),
    [
        ((1, 4, 4), (1, 4, 4)),
        ((4, 5, 7), (1, 4, 8)),
        ((5, 1, 40), (8, 4, 40)),
        ((15, 8, 8), (16, 8, 8)),
        ((0, 0, 8), (1, 4, 8)),
    ],
)
def test_the_nearest_legal_clip(asked, legal):
    found = build().nearest(*asked)
    assert (found.frames, found.height, found.width) == legal


def test_the_published_sizes_compress_4_by_32_by_32():
    config = DeepCompressionConfig()
    assert config.encoder.cells == config.decoder.cells == (4, 32)
    with torch.device("meta"):
        model = config.build()
    assert sum(p.numel() for p in model.parameters()) == 459_462_147  # as published
    assert model.latent_shape(128, 768, 1024) == (128, 32, 24, 32)


def test_statistics_are_undone():
    model, latents = build(), torch.randn(1, 2, 2, 2, 4)
    assert torch.equal(model.normalise(latents), latents / 0.5)
    assert torch.equal(model.denormalise(model.normalise(latents)), latents)
    video = clip()
    assert torch.equal(model.encode(video), model.posterior(video).mean / 0.5)


def test_clips_of_a_batch_know_nothing_of_each_other():
    model, first, second = build(LOOKING).double(), clip().double(), clip().double().flip(2)
    both = model.encode(torch.cat((first, second)))
    assert torch.allclose(both, torch.cat((model.encode(first), model.encode(second))), atol=1e-12)


def test_the_norm_looks_at_the_channels_of_single_points():
    norm, x = ChannelNorm(3), torch.randn(1, 3, 2, 2, 2)
    norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
    norm.bias.copy_(torch.tensor([0.0, -1.0, 1.0]))
    shape = (1, 3, 1, 1, 1)
    expected = x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt()
    expected = expected * norm.weight.view(shape) + norm.bias.view(shape)
    assert torch.allclose(norm(x), expected, atol=1e-6)


def test_linear_attention_is_attention_with_relu_as_its_kernel():
    query, key, value = torch.randn(3, 2, 1, 4, 10).double()
    query[..., 0] = -1  # nothing fits such a query: it sees nothing
    weights = query.relu().transpose(-1, -2) @ key.relu()
    shares = weights / weights.sum(-1, keepdim=True).clamp_min(1e-15)
    found = linear_attention(query, key, value)
    assert torch.allclose(found, value @ shares.transpose(-1, -2), atol=1e-9)
    assert torch.equal(found[..., 0], torch.zeros(2, 1, 4).double())


def test_attention_reaches_the_other_end_of_a_clip():
    torch.manual_seed(0)
    look, x = LinearAttention(32, (3,)), torch.randn(1, 32, 5, 4, 4)
    changed = x.clone()
    changed[:, :, -1, -1, -1] += 1
    assert not torch.equal(look(x)[:, :, 0, 0, 0], look(changed)[:, :, 0, 0, 0])


def test_attention_in_half_precision_adds_in_single_precision():
    look, x = LinearAttention(32, ()), 100 * torch.ones(1, 32, 64, 16, 16)
    assert torch.isfinite(look.to(torch.bfloat16)(x.to(torch.bfloat16))).all()


@pytest.mark.parametrize(("frames", "time"), [(4, True), (4, False), (1, True)])
def test_the_shortcut_down_keeps_the_mean_of_a_clip(frames, time):
    down, x = Down(2, 4, time=time), torch.randn(1, 2, frames, 4, 4)
    silence(down)
    smaller = down(x)
    assert smaller.shape == (1, 4, frames // 2 if time and frames > 1 else frames, 2, 2)
    halves = smaller.unflatten(1, (2, 2)).mean(2)  # of each of the two channels
    assert torch.allclose(halves.mean((2, 3, 4)), x.mean((2, 3, 4)), atol=1e-6)


@pytest.mark.parametrize(("frames", "time"), [(3, True), (3, False), (1, True)])
def test_the_shortcut_up_undoes_the_one_down(frames, time):
    up, down = Up(8, 4, time=time), Down(4, 8, time=time)
    silence(up)
    silence(down)
    x = torch.randn(1, 8, frames, 2, 3)
    larger = up(x)
    assert larger.shape == (1, 4, 2 * frames if time and frames > 1 else frames, 4, 6)
    assert torch.allclose(down(larger), x, atol=1e-6)


def test_copied_channels_average_to_what_was_copied():
    widen, narrow = Widen(2, 6), Narrow(6, 2)
    silence(widen)
    silence(narrow)
    x = torch.randn(1, 2, 1, 2, 2)
    assert torch.equal(widen(x)[:, :3], x[:, :1].expand(-1, 3, -1, -1, -1))
    assert torch.allclose(narrow(widen(x)), x)


@pytest.mark.parametrize("frames", [8, 16, 20, 24, 28, 36])
def test_tiles_bring_back_every_frame(frames):
    model = build(replace(TINY, tiling=TILES))
    video = clip(frames, 12, 8)
    latents = model.encode(video)
    assert latents.shape[1:] == model.latent_shape(*video.shape[2:])
    assert model.decode(latents, frames=frames).shape == video.shape


def test_a_clip_within_one_tile_is_not_cut():
    whole, tiled = build(), build(replace(TINY, tiling=TILES))
    video = clip(16, 8, 8)
    assert torch.equal(tiled.encode(video), whole.encode(video))
    assert torch.equal(tiled.decode(whole.encode(video)), whole.decode(whole.encode(video)))


def test_a_last_latent_frame_that_stands_alone_becomes_one_frame_only_if_asked():
    latents = torch.randn(1, 2, 5, 1, 1)
    assert build(replace(TINY, tiling=TILES)).decode(latents).shape[2] == 20
    short = build(replace(TINY, tiling=TILES, short_ends=True))
    assert short.decode(latents).shape[2] == 17


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_training_reaches_every_weight(config):
    model = build(config).train()
    with torch.enable_grad():
        found: Reconstruction = model.train_forward(clip(), replayed([]))
        found.video.square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert found.posterior.logvar is None
    assert model.last_layer is model.decoder.out.weight


def test_half_precision_weights_take_any_video():
    model = build(LOOKING).to(torch.bfloat16)
    assert model.decode(model.encode(clip())).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (lambda: replace(EASY, depths=(1, 1)), "depths has 2 values: expected 3"),
        (lambda: replace(EASY, halves=(True,)), "halves has 1 values: expected 2"),
        (lambda: replace(EASY, reaches=(None, None, (5,))), "width 8 of attention"),
        (lambda: replace(EASY, widths=(2, 4, 12)), "width 12 after 4: expected a divisor of 16"),
        (lambda: replace(TINY, latent_channels=3), "a divisor of the deepest width, 8"),
        (lambda: replace(TINY, decoder=replace(EASY, halves=(True, False))), r"\(4, 4\), the dec"),
        (lambda: replace(TINY, tiling=OverlapTiling(space=6)), "tiles of 6 pixels"),
        (lambda: replace(TINY, tiling=replace(TILES, overlap=0.0)), "an overlap of 4 frames"),
        (lambda: build().encode(clip(6)), "a multiple of 4 from 8 on.*nearest is 8 frames"),
        (lambda: build().encode(clip(8, 6)), "sides multiples of 4"),
        (lambda: build().train_forward(clip(4), replayed([])), "nearest is 1 frames"),
        (lambda: build().decode(torch.zeros(1, 2, 1, 1, 1), frames=4), "F = 1 has 1"),
    ],
)
def test_what_cannot_work_is_refused_in_words(problem, words):
    with pytest.raises(ConfigError, match=words):
        problem()


def test_training_shows_what_leaves_each_level_of_the_encoder():
    model, video = build(), clip(8)
    found = model.train_forward(video, lambda shape: torch.zeros(shape))
    assert torch.equal(found.posterior.mean, model.encoder(video))
    names = [f"encoder_level_{n}" for n in range(1, len(model.encoder.levels) + 1)]
    assert list(found.parts) == names
    sides = [found.parts[name].shape[3] for name in names]
    assert sides == sorted(sides, reverse=True) and sides[-1] == found.posterior.mean.shape[3]
