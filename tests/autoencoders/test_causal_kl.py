"""The causal autoencoder: sizes, what sees what, tiles, and training of all weights."""

from dataclasses import replace

import pytest
import torch

from kineograph.autoencoders.causal_kl import CausalKL, CausalKLConfig, past_only
from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.errors import ConfigError
from kineograph.types import seeded

TINY = CausalKLConfig(latent_channels=2, widths=(2, 4, 4, 4), blocks=1, groups=2, shift=0.5)
VARIANTS = {
    "published": TINY,
    "8 in time": replace(TINY, time=8),
    "4 in space": replace(TINY, space=4),
    "no attention": replace(TINY, attention=False),
}


def build(config: CausalKLConfig = TINY) -> CausalKL:
    torch.manual_seed(0)
    return config.build().eval()


def clip(frames: int = 9, height: int = 16, width: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, 3, frames, height, width, generator=generator) * 2 - 1


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("frames", [1, 9])
def test_a_legal_clip_comes_back_in_its_shape(config, frames):
    model, video = build(config), clip(frames)
    legal = model.nearest(*video.shape[2:])
    assert (legal.frames, legal.height, legal.width) == video.shape[2:]
    latents = model.encode(video)
    assert latents.shape[1:] == model.latent_shape(*video.shape[2:])
    assert model.decode(latents, frames=frames).shape == video.shape


def test_other_clips_are_encoded_too():
    model, video = build(), clip(7, 19, 5)
    latents = model.encode(video)
    assert latents.shape[1:] == model.latent_shape(7, 19, 5) == (2, 2, 3, 1)
    assert model.decode(latents).shape == (1, 3, 5, 24, 8)


def test_which_levels_change_what():
    assert [TINY.factors(i) for i in range(4)] == [(1, 2), (2, 2), (2, 2), (1, 1)]
    eight = replace(TINY, time=8)
    assert [eight.factors(i) for i in range(4)] == [(2, 2), (2, 2), (2, 2), (1, 1)]
    shallow = replace(TINY, space=4)
    assert [shallow.factors(i) for i in range(4)] == [(1, 2), (2, 2), (2, 1), (1, 1)]


def test_a_point_sees_its_frame_and_the_past():
    bias = past_only(torch.zeros(1, 1, 3, 1, 2))
    assert bias is not None
    seen = (bias == 0).tolist()
    early, middle, late = [True] * 2 + [False] * 4, [True] * 4 + [False] * 2, [True] * 6
    assert seen == [early, early, middle, middle, late, late]
    assert past_only(torch.zeros(1, 1, 1, 2, 2)) is None


def test_statistics_are_undone():
    model, latents = build(), torch.randn(1, 2, 2, 1, 1)
    assert torch.allclose(model.normalise(latents), (latents - 0.5) * 0.476986)
    assert torch.allclose(model.denormalise(model.normalise(latents)), latents, atol=1e-6)


@pytest.mark.parametrize(
    "tiling",
    [OverlapTiling(space=32, frames=None), OverlapTiling(space=None, frames=16), OverlapTiling()],
    ids=str,
)
def test_a_clip_within_a_tile_is_not_cut(tiling):
    whole, tiled = build(), build(replace(TINY, tiling=tiling))
    video = clip(9)
    latents = whole.encode(video)
    assert torch.equal(tiled.encode(video), latents)
    assert torch.equal(tiled.decode(latents), whole.decode(latents))


@pytest.mark.parametrize(
    ("tiling", "size"),
    [
        (OverlapTiling(space=32, frames=None), (1, 40, 48)),
        (OverlapTiling(space=None, frames=16), (29, 8, 8)),
        (OverlapTiling(space=32, frames=8, overlap=0.5), (13, 40, 8)),
    ],
    ids=["space", "time", "both"],
)
def test_tiles_keep_the_size_but_not_every_value(tiling, size):
    whole, tiled = build(), build(replace(TINY, tiling=tiling))
    video = clip(*size)
    latents = tiled.encode(video)
    assert latents.shape == whole.encode(video).shape
    video_again = tiled.decode(latents)
    assert video_again.shape == video.shape
    assert not torch.equal(video_again, whole.decode(latents))


def test_behind_the_blend_a_tile_knows_nothing_of_the_one_before():
    plane = replace(TINY, attention=False, tiling=OverlapTiling(space=64))
    video = torch.zeros(1, 3, 1, 16, 96)
    video[..., :8] = 1.0
    latents = build(plane).encode(video)
    assert torch.allclose(latents[..., 8:], latents[..., 8:9].expand(1, 2, 1, 2, 4), atol=1e-4)


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_training_reaches_every_weight(config):
    model = build(config).train()
    with torch.enable_grad():
        found = model.train_forward(clip(), seeded([0]))
        (found.video.square().mean() + found.posterior.kl().mean()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert model.last_layer is model.decoder.out.weight


def test_half_precision_weights_take_any_video():
    model = build().to(torch.bfloat16)
    assert model.decode(model.encode(clip(5))).dtype == torch.bfloat16


def test_the_nearest_legal_clip():
    found = build().nearest(4, 15, 3)
    assert (found.frames, found.height, found.width) == (5, 16, 8)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (lambda: replace(TINY, space=3), "space = 3: expected a power of 2, at most 8"),
        (lambda: replace(TINY, widths=(4, 4), space=2), "time = 4: expected a power of 2"),
        (lambda: replace(TINY, tiling=OverlapTiling(space=60)), "tiles of 60 pixels"),
        (lambda: replace(TINY, tiling=OverlapTiling(frames=8)), "8 frames with overlap 0.25"),
        (lambda: build().decode(torch.zeros(1, 2, 2, 1, 1), frames=6), "6 frames: 2 latent"),
    ],
)
def test_what_cannot_work_is_refused_in_words(problem, words):
    with pytest.raises(ConfigError, match=words):
        problem()
