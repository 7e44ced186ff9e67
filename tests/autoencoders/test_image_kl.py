"""The autoencoder of pictures codes every frame by itself and trains all of its weights."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from kineograph.autoencoders.image_kl import Halve, ImageKL, ImageKLConfig
from kineograph.errors import ConfigError
from kineograph.types import Reconstruction, seeded

TINY = ImageKLConfig(widths=(4, 8, 8), blocks=1, groups=2, scale=0.5, shift=0.25)
VARIANTS = {
    "mixing": TINY,
    "none": replace(TINY, mixing=False, latent_channels=2),
    "no attention": replace(TINY, attention=False, blocks=2),
    "one level": replace(TINY, widths=(4,)),
}


def build(config: ImageKLConfig = TINY) -> ImageKL:
    torch.manual_seed(0)
    return config.build().eval()


def clip(frames: int = 3, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, 3, frames, 8, 16, generator=generator) * 2 - 1


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_a_clip_comes_back_in_its_shape(config):
    model, video = build(config), clip()
    latents = model.encode(video)
    assert latents.shape[1:] == model.latent_shape(*video.shape[2:])
    assert model.decode(latents, frames=3).shape == video.shape


def test_a_frame_knows_nothing_of_its_clip():
    model, video = build().double(), clip().double()
    alone = model.encode(video[1:, :, 2:])
    assert torch.allclose(model.encode(video)[1:, :, 2:], alone, atol=1e-12)
    latents = model.encode(video)
    assert torch.allclose(
        model.decode(latents)[:1, :, :1], model.decode(latents[:1, :, :1]), atol=1e-12
    )


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_how_many_frames_are_coded_at_once_changes_nothing(batch):
    whole, parted = build().double(), build(replace(TINY, batch=batch)).double()
    video = clip().double()
    assert torch.allclose(parted.encode(video), whole.encode(video), atol=1e-12)


def test_statistics_are_undone():
    model, latents = build(), torch.randn(1, 4, 2, 2, 4)
    assert torch.allclose(model.normalise(latents), (latents - 0.25) * 0.5)
    assert torch.allclose(model.denormalise(model.normalise(latents)), latents, atol=1e-6)


def test_halving_looks_below_and_to_the_right():
    halve, x = Halve(1), torch.rand(1, 1, 4, 4)
    window = functional.pad(x, (0, 1, 0, 1))[..., 2:5, 2:5]  # of the last pixel
    expected = (window * halve.conv.weight).sum() + halve.conv.bias
    assert torch.allclose(halve(x)[..., 1, 1], expected)


def test_draws_spread_around_the_mode():
    model, video = build(), clip(1, 1)
    same, again, other = (model.encode(video, seeded([seed])) for seed in (1, 1, 2))
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_training_reaches_every_weight(config):
    model = build(config).train()
    with torch.enable_grad():
        found: Reconstruction = model.train_forward(clip(1), seeded([0, 1]))
        (found.video.square().mean() + found.posterior.kl().mean()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert model.last_layer is model.decoder.out.weight


def test_half_precision_weights_take_any_video():
    model = build().to(torch.bfloat16)
    assert model.decode(model.encode(clip(1))).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("asked", "legal"),
    [((1, 4, 4), (1, 4, 4)), ((0, 1, 7), (1, 4, 8)), ((7, 41, 40), (7, 40, 40))],
)
def test_the_nearest_legal_clip(asked, legal):
    found = build().nearest(*asked)
    assert (found.frames, found.height, found.width) == legal


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (lambda: replace(TINY, groups=3), "width 4: expected a multiple of 3"),
        (lambda: replace(TINY, batch=0), "batch = 0"),
        (lambda: build().encode(torch.zeros(1, 3, 1, 3, 8)), "multiples of 4; the nearest is 1"),
        (lambda: build().decode(torch.zeros(1, 4, 2, 1, 1), frames=3), "3 frames: 2 latent"),
    ],
)
def test_what_cannot_work_is_refused_in_words(problem, words):
    with pytest.raises(ConfigError, match=words):
        problem()


def test_pictures_of_other_sizes_lose_what_fills_no_latent():
    model = build()
    latents = model.encode(torch.zeros(1, 3, 2, 11, 14))
    assert latents.shape[2:] == (2, 2, 3)
    assert model.latent_shape(2, 11, 14)[1:] == (2, 2, 3)
    assert model.decode(latents).shape[2:] == (2, 8, 12)
