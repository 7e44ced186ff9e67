"""Pictures, then time: every length comes back, pieces know nothing of each other."""

from dataclasses import replace

import pytest
import torch

from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.autoencoders.stacked import Stacked, StackedConfig
from kineograph.autoencoders.time_kl import DoubleTime, TimeKLConfig
from kineograph.errors import ConfigError
from kineograph.types import replayed, seeded

IMAGE = ImageKLConfig(widths=(4, 4), blocks=1, groups=2)
TIME = TimeKLConfig(base=4, factors=(1, 2, 1), halves=(True, True), blocks=1, groups=2)
TINY = StackedConfig(image=IMAGE, time=TIME, chunk=6)
PLAIN = replace(TINY, chunk=None, scale=(), shift=())


def build(config: StackedConfig = TINY) -> Stacked:
    torch.manual_seed(0)
    return config.build().eval()


def clip(frames: int, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, 3, frames, 4, 6, generator=generator) * 2 - 1


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("config", [TINY, PLAIN], ids=["chunks", "whole"])
@pytest.mark.parametrize("frames", [1, 4, 5, 6, 7, 13])
def test_every_length_comes_back(config, frames):
    model, video = build(config), clip(frames)
    latents = model.encode(video)
    assert latents.shape[1:] == model.latent_shape(*video.shape[2:])
    assert model.decode(latents, frames=frames).shape == video.shape


def test_the_published_lengths():
    published = StackedConfig().time
    with torch.device("meta"):
        model = StackedConfig().build()
    assert published.step == 4
    counts = {n: model.latent_shape(n, 64, 64)[1] for n in (1, 17, 18, 51, 102, 408)}
    assert counts == {1: 1, 17: 5, 18: 6, 51: 15, 102: 30, 408: 120}


def test_chunks_know_nothing_of_each_other():
    model, video = build(), clip(9)
    changed = video.clone()
    changed[:, :, 6:] = 0
    assert torch.equal(model.encode(changed)[:, :, :2], model.encode(video)[:, :, :2])
    assert not torch.equal(model.encode(changed)[:, :, 2:], model.encode(video)[:, :, 2:])


def test_a_clip_of_one_chunk_is_coded_as_the_whole_clip():
    whole, video = build(replace(TINY, chunk=None)), clip(5)
    assert torch.equal(build().encode(video), whole.encode(video))


def test_without_a_length_the_longest_clip_is_decoded():
    latents = torch.zeros(1, 4, 3, 2, 3)
    assert build().decode(latents).shape[2] == 10  # 6 of the first two, 4 of the last
    assert build(PLAIN).decode(latents).shape[2] == 12


def test_a_shorter_clip_is_the_end_of_the_longest():
    model, latents = build(PLAIN), torch.randn(1, 4, 2, 2, 3)
    assert torch.allclose(model.decode(latents, 5), model.decode(latents)[:, :, 3:], atol=1e-6)


def test_doubling_takes_neighbouring_frames_from_neighbouring_channels():
    double = DoubleTime(1)
    torch.nn.init.zeros_(double.conv.weight)
    assert double.conv.bias is not None
    double.conv.bias.copy_(torch.tensor([1.0, 2.0]))
    assert double(torch.zeros(1, 1, 2, 1, 1)).flatten().tolist() == [1.0, 2.0, 1.0, 2.0]


def test_pictures_are_drawn_first_then_latents():
    model, video = build(), clip(5, batch=2)
    draws = [torch.zeros(2, 4, 5, 2, 3), torch.zeros(2, 4, 2, 2, 3)]
    assert torch.equal(model.encode(video, replayed(draws)), model.encode(video))
    draws[0] = torch.ones_like(draws[0])
    assert not torch.equal(model.encode(video, replayed(draws)), model.encode(video))


def test_statistics_are_undone():
    model, latents = build(), torch.randn(2, 4, 3, 1, 2)
    assert torch.allclose(model.normalise(latents)[:, 0], (latents[:, 0] + 0.1) / 3.85)
    assert torch.allclose(model.denormalise(model.normalise(latents)), latents, atol=1e-6)


def test_training_reaches_every_weight_and_compares_the_pictures_latents():
    model, video = build().train(), clip(7)
    with torch.enable_grad():
        found = model.train_forward(video, seeded([0]))
        (found.video.square().mean() + found.posterior.kl().mean()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert model.last_layer.grad is not None
    assert found.video.shape == video.shape
    assert found.parts["encoder_pictures"].shape == found.parts["decoder_pictures"].shape


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (lambda: replace(TINY, chunk=0), "chunk = 0"),
        (lambda: replace(TINY, scale=(1.0,)), "scale has 1 values"),
        (lambda: replace(TINY, time=replace(TIME, channels=3)), "4 latent channels: expected 3"),
        (lambda: replace(TIME, halves=(True,)), "halves has 1 values: expected 2"),
        (lambda: build().encode(torch.zeros(1, 3, 1, 1, 8)), "multiples of 2"),
        (lambda: build().decode(torch.zeros(1, 4, 2, 1, 1), 7), "7 frames: they have 3 latent"),
        (lambda: build().time.decode(torch.zeros(1, 4, 2, 1, 1), 4), "2 latent frames give 5 to 8"),
    ],
)
def test_what_cannot_work_is_refused_in_words(problem, words):
    with pytest.raises(ConfigError, match=words):
        problem()
