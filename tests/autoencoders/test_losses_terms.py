"""A term measures what its name says, on what its autoencoder gives, and fades in on time."""

import pytest
import torch

from kineograph.autoencoders import losses
from kineograph.autoencoders.denoising import DenoisingConfig
from kineograph.autoencoders.losses_perceptual import (
    LikelihoodConfig,
    LPIPSConfig,
    PerceptualConfig,
    PyramidConfig,
)
from kineograph.autoencoders.losses_terms import (
    AbsoluteConfig,
    Comparison,
    DivergenceConfig,
    Fade,
    IdentityConfig,
    MeanDivergenceConfig,
    MeanWaveletConfig,
    Networks,
    PictureLatentsConfig,
    SquaredConfig,
    SquaredEdgesConfig,
    VideoWaveletConfig,
    WaveletConfig,
)
from kineograph.errors import ConfigError
from kineograph.types import Posterior, Reconstruction

NONE = Networks()
LATENTS = torch.ones(2, 4, 2, 3, 3)


def compared(error=0.0, *, frames=3, parts=None, weight=None):
    video = torch.rand(2, 3, frames, 16, 16, generator=torch.Generator().manual_seed(0)) - 0.5
    found = Reconstruction(video + error, Posterior(LATENTS, 0 * LATENTS), parts or {})
    return Comparison(found, video, weight)


def brightness(found, picture):
    """A distance that a person can compute: the squared difference of means."""
    return (found.mean(dim=(1, 2, 3)) - picture.mean(dim=(1, 2, 3))).square()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SquaredConfig(), 0.25),
        (AbsoluteConfig(), 0.5),
        (SquaredEdgesConfig(), 0.0),
        (DivergenceConfig(), 0.5 * 4 * 2 * 3 * 3),
        (MeanDivergenceConfig(), 0.5),
        (LikelihoodConfig(perceptual=0.0, distance=PyramidConfig()), 3 * 16 * 16 * 0.5),
    ],
)
def test_a_clip_that_is_half_a_step_too_bright(config, expected):
    assert float(config.build(NONE)(compared(0.5))) == pytest.approx(expected, abs=1e-5)


def test_pixels_count_by_their_weight():
    weight = torch.zeros(2, 1, 3, 16, 16)
    weight[..., 8:] = 2.0
    error = torch.zeros(2, 3, 3, 16, 16)
    error[..., :8] = 1.0
    for config in (SquaredConfig(), AbsoluteConfig()):
        assert float(config.build(NONE)(compared(error, weight=weight))) == 0.0
        assert float(config.build(NONE)(compared(error))) == 0.5


def test_the_likelihood_counts_a_distance_at_every_number_of_its_frame():
    error = torch.zeros(2, 3, 3, 16, 16)
    error[0, :, 1] = 0.5  # one of six frames
    config = LikelihoodConfig(perceptual=2.0)
    found = config.build(Networks(lpips=brightness))(compared(error))
    assert float(found) == pytest.approx(3 * 256 * (0.5 + 2.0 * 0.25) / 6, rel=1e-4)


def test_the_likelihood_weighs_errors_by_its_variance():
    config = LikelihoodConfig(perceptual=0.0, distance=PyramidConfig(), logvar=1.0)
    found = float(config.build(NONE)(compared(0.5)))
    assert found == pytest.approx(3 * 256 * (0.5 / 2.718282 + 1.0), rel=1e-4)


def test_a_perceptual_term_is_the_mean_over_frames():
    measure = PerceptualConfig().build(Networks(lpips=brightness))
    error = torch.zeros(2, 3, 3, 16, 16)
    error[0, :, 1] = 0.5
    assert float(measure(compared(error))) == pytest.approx(0.25 / 6, rel=1e-4)
    assert float(PerceptualConfig(distance=PyramidConfig()).build(NONE)(compared())) == 0.0


@pytest.mark.parametrize("config", [PerceptualConfig(), LikelihoodConfig(distance=LPIPSConfig())])
def test_a_missing_network_is_refused_by_naming_the_distance_without_weights(config):
    with pytest.raises(ConfigError, match="kind: pyramid"):
        config.build(NONE)


def test_the_video_wavelet_loss_is_the_mean_over_bands():
    measure = VideoWaveletConfig().build(NONE)
    # An even offset is in the lowest band only, whose filter sums eight numbers / sqrt(8).
    assert float(measure(compared(0.5))) == pytest.approx(0.5 * 8**0.5 / 8, rel=1e-4)


@pytest.mark.parametrize("axis", [2, 3, 4])
def test_the_video_wavelet_loss_sees_steps_along_each_axis(axis):
    """A step inside cells is in two bands, one between cells in one: energy is spread."""
    error = torch.zeros(1, 3, 4, 4, 4)
    error.select(axis, 1).fill_(1.0)
    single = losses.video_wavelet_difference(error, torch.zeros_like(error))
    assert float(single) == pytest.approx(2 * (4 / 8**0.5) / 8 / 2, rel=1e-4)


@pytest.mark.parametrize("size", [(1, 4, 4), (5, 4, 4), (4, 3, 5), (1, 1, 1)])
def test_the_video_wavelet_loss_takes_any_size_and_an_even_offset_stays_one(size):
    error = torch.full((1, 3, *size), 0.5)
    found = losses.video_wavelet_difference(error, torch.zeros_like(error))
    assert float(found) == pytest.approx(0.5 * 8**0.5 / 8, rel=1e-4)


def coefficients(outer):
    inner = torch.zeros(2, 24, 1, 1, 1)
    a = torch.zeros(2, 12, 1, 2, 2)
    return {
        "encoder_outer": a,
        "decoder_outer": a + outer,
        "encoder_inner": inner,
        "decoder_inner": inner,
    }


def test_wavelet_terms_sum_or_average():
    seen = compared(parts=coefficients(0.5))
    assert float(WaveletConfig().build(NONE)(seen)) == 24.0
    assert float(MeanWaveletConfig().build(NONE)(seen)) == 0.5


@pytest.mark.parametrize(
    "config",
    [WaveletConfig(), MeanWaveletConfig(), PictureLatentsConfig(), IdentityConfig()],
    ids=lambda config: config.kind,
)
def test_a_part_that_the_autoencoder_does_not_give_is_named(config):
    with pytest.raises(ConfigError, match=r"needs '\w+', which this autoencoder does not give"):
        config.build(NONE)(compared(parts={"other": LATENTS}))


def halves(frames, *, on_way_out=0.0, in_latents=0.0):
    pictures = torch.zeros(2, 4, frames, 2, 2)
    return {
        "encoder_pictures": pictures,
        "decoder_pictures": pictures + on_way_out,
        "latents": pictures[:, :, :1] + in_latents,
    }


def test_picture_latents_are_summed_over_each_picture():
    found = PictureLatentsConfig().build(NONE)(compared(parts=halves(5, on_way_out=0.5)))
    assert float(found) == 0.5 * 4 * 2 * 2


def test_identity_ties_the_latents_of_a_picture_and_leaves_clips_free():  # Open-Sora 1.2, 3.1
    measure = IdentityConfig().build(NONE)
    assert float(measure(compared(parts=halves(1, in_latents=0.5)))) == 8.0
    assert float(measure(compared(parts=halves(5, in_latents=0.5)))) == 0.0


def test_identity_needs_latents_of_one_shape():
    parts = halves(1) | {"latents": torch.zeros(2, 8, 1, 2, 2)}
    with pytest.raises(ConfigError, match=r"\(2, 8, 1, 2, 2\).*same shape"):
        IdentityConfig().build(NONE)(compared(parts=parts))


def test_sums_over_half_precision_are_taken_in_full():
    latents = torch.full((1, 4, 3, 32, 32), 1.0078125, dtype=torch.bfloat16)
    video = torch.zeros(1, 3, 1, 4, 4)
    parts = {"decoder_pictures": latents, "encoder_pictures": 0 * latents}
    seen = Comparison(Reconstruction(video, Posterior(latents, 0 * latents), parts), video)
    assert float(PictureLatentsConfig().build(NONE)(seen)) == pytest.approx(4096 * 1.0078125)
    expected = 0.5 * 3 * 4096 * 1.0078125**2
    assert float(DivergenceConfig().build(NONE)(seen)) == pytest.approx(expected, rel=1e-5)


def test_a_fade_begins_and_ends_where_it_says():
    fade = Fade(start=0.4, end=0.8)
    assert [fade.at(done) for done in (0.0, 0.4, 0.6, 0.8, 1.0)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert Fade().at(0.0) == 1.0
    assert [Fade(start=0.5, end=0.5).at(done) for done in (0.4, 0.5)] == [0.0, 1.0]


def test_one_variance_for_all_channels_moves_as_their_mean():  # LTX-Video, 2.1.4
    """No channel can trade its own accuracy for divergence: they share one pull."""
    mean = torch.randn(1, 4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    shared = torch.full((1, 1, 2, 3, 3), 0.3, requires_grad=True)
    own = torch.full((1, 4, 2, 3, 3), 0.3, requires_grad=True)
    for logvar in (shared.expand_as(mean), own):
        losses.kl_divergence(Posterior(mean, logvar)).backward()
    assert torch.allclose(shared.grad, own.grad.sum(1, keepdim=True), atol=1e-5)
    assert DenoisingConfig().variance == "shared"
