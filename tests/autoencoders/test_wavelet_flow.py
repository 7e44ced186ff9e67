"""WF-VAE codes causally, in chunks of any size alike, and trains all of its weights."""

from dataclasses import replace

import pytest
import torch

from kineograph.autoencoders.wavelet_flow import WaveletFlow, WaveletFlowConfig
from kineograph.errors import ConfigError
from kineograph.types import seeded

TINY = WaveletFlowConfig(
    latent_channels=4,
    base=4,
    encoder_blocks=1,
    decoder_blocks=1,
    connect_blocks=1,
    encoder_energy=3,
    decoder_energy=5,
    scale=(0.5, 1.0, 2.0, 4.0),
    shift=(0.0, 0.1, 0.2, 0.3),
)
VARIANTS = {
    "linear": TINY,
    "nearest": replace(TINY, time_interpolation="nearest"),
    "no attention": replace(TINY, attention=False, encoder_blocks=2, connect_blocks=2),
    "8 in time": replace(TINY, time_compression=8),
    "8 in time, nearest": replace(TINY, time_compression=8, time_interpolation="nearest"),
}


def build(config: WaveletFlowConfig) -> WaveletFlow:
    torch.manual_seed(0)
    return config.build().eval()


def clip(latent_frames: int, step: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, 3, step * (latent_frames - 1) + 1, 8, 16, generator=generator) * 2 - 1


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("latent_frames", [1, 3])
def test_a_clip_comes_back_in_its_shape(config, latent_frames):
    model, video = build(config), clip(latent_frames, config.time_compression)
    latents = model.encode(video)
    assert latents.shape[1:] == model.latent_shape(*video.shape[2:])
    assert model.decode(latents, frames=video.shape[2]).shape == video.shape


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize(
    ("latent_frames", "chunk"), [(1, 1), (2, 1), (3, 2), (5, 1), (5, 2), (5, 4), (6, 8)]
)
def test_chunks_code_what_the_whole_clip_codes(config, latent_frames, chunk):
    whole, chunked = build(config).double(), build(replace(config, chunk=chunk)).double()
    video = clip(latent_frames, config.time_compression).double()
    latents = whole.encode(video)
    assert (chunked.encode(video) - latents).abs().max() < 1e-10
    assert (chunked.decode(latents) - whole.decode(latents)).abs().max() < 1e-10


@pytest.mark.parametrize("step", [4, 8])
def test_a_later_frame_does_not_change_an_earlier_latent(step):
    model, before = build(replace(TINY, time_compression=step)), clip(3, step)
    after = before.clone()
    after[:, :, step + 1] += 1  # the first frame of the third latent frame
    changed = (model.encode(before) != model.encode(after)).any(dim=(0, 1, 3, 4))
    assert changed.tolist() == [False, False, True]


def test_a_picture_is_the_first_latent_frame_of_its_clip():
    model, video = build(TINY), clip(3)
    assert torch.allclose(model.encode(video[:, :, :1]), model.encode(video)[:, :, :1], atol=1e-6)


def test_statistics_are_undone():
    model, latents = build(TINY), torch.randn(2, 4, 3, 1, 2)
    assert torch.allclose(model.normalise(latents)[:, 3], (latents[:, 3] - 0.3) * 4, atol=1e-6)
    assert torch.allclose(model.denormalise(model.normalise(latents)), latents, atol=1e-6)


def test_draws_spread_around_the_mode():
    model, video = build(TINY), clip(2)
    found = [model.encode(video, seeded([seed])) for seed in (1, 1, 2)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_training_reaches_every_weight(config):
    model, video = build(config).train(), clip(2, config.time_compression)
    with torch.enable_grad():
        found = model.train_forward(video, seeded([0]))
        (found.video.square().mean() + found.posterior.kl().mean()).backward()
    untouched = [name for name, p in model.named_parameters() if p.grad is None]
    assert not untouched
    assert model.last_layer.grad is not None


def test_both_energy_flows_have_the_same_shapes():
    found = build(TINY).train_forward(clip(2), seeded([0]))
    for level in ("outer", "inner"):
        assert found.parts[f"encoder_{level}"].shape == found.parts[f"decoder_{level}"].shape


def test_group_norm_is_the_other_norm():
    config = replace(TINY, base=32, encoder_energy=32, decoder_energy=32, norm="group")
    assert build(config).decode(build(config).encode(clip(2))).shape == clip(2).shape


def test_half_precision_weights_take_any_video():
    model = build(TINY).to(torch.bfloat16)
    assert model.decode(model.encode(clip(1))).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("asked", "legal"),
    [((1, 8, 8), (1, 8, 8)), ((4, 15, 3), (5, 16, 8)), ((93, 640, 644), (93, 640, 640))],
)
def test_the_nearest_legal_clip(asked, legal):
    found = build(TINY).nearest(*asked)
    assert (found.frames, found.height, found.width) == legal


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (lambda: replace(TINY, scale=(1.0,)), "scale has 1 values"),
        (lambda: replace(TINY, chunk=0), "chunk = 0"),
        (lambda: replace(TINY, norm="group", chunk=2), "group norms average over time"),
        (lambda: build(TINY).encode(torch.zeros(1, 3, 4, 8, 8)), "nearest is 5 frames"),
        (lambda: build(TINY).encode(torch.zeros(1, 3, 5, 12, 8)), "multiples of 8"),
        (lambda: build(TINY).decode(torch.zeros(1, 4, 2, 1, 1), frames=6), "6 frames: 2 latent"),
    ],
)
def test_what_cannot_work_is_refused_in_words(problem, words):
    with pytest.raises(ConfigError, match=words):
        problem()
