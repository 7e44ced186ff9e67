"""Losses count what they say: objects, motion, edges, coefficients."""

import math

import pytest
import torch

from kineograph.autoencoders import losses
from kineograph.types import Posterior

VIDEO = torch.zeros(2, 3, 4, 6, 6)


def test_weights_have_mean_one_and_stress_objects_and_what_moves():
    mask = torch.zeros(2, 1, 4, 6, 6)
    mask[0, :, :, 2, 2] = 1
    video = VIDEO.clone()
    video[1, :, 1:, 5, 5] = 1  # appears in frame 1
    weight = losses.pixel_weight(video, mask, on_mask=6.0, on_motion=6.0)
    assert torch.allclose(weight.mean(dim=(1, 2, 3, 4)), torch.ones(2))
    assert weight[0, 0, 0, 1, 1] == pytest.approx(7 * float(weight[0, 0, 0, 5, 5]))
    assert (weight[1, 0, :, 5, 5] > weight[1, 0, :, 0, 0]).tolist() == [True, True, False, False]


def test_a_single_frame_has_weights_too():
    weight = losses.pixel_weight(VIDEO[:, :, :1], VIDEO[:, :1, :1], on_mask=1.0, on_motion=1.0)
    assert torch.equal(weight, torch.ones(2, 1, 1, 6, 6))


def test_where_an_object_comes_by_counts_in_all_frames():
    mask = torch.zeros(2, 1, 4, 6, 6)
    mask[0, :, 3, 2, 2] = 1
    weight = losses.pixel_weight(VIDEO, mask, on_mask=0.0, on_motion=0.0, on_path=1.0)
    assert weight[0, 0, 0, 2, 2] == pytest.approx(2 * float(weight[0, 0, 0, 5, 5]))
    assert torch.equal(weight[1], torch.ones(1, 4, 6, 6))


def test_a_temporal_difference_sees_flicker_and_no_lasting_error():
    weight = torch.ones(2, 1, 4, 6, 6)
    flash = VIDEO.clone()
    flash[:, :, 1] = 1  # two of three steps
    loss = losses.temporal_difference_error
    assert float(loss(VIDEO + 1, VIDEO, weight)) == 0
    assert float(loss(flash, VIDEO, weight)) == pytest.approx(2 / 3)
    assert float(loss(flash, VIDEO)) == pytest.approx(2 / 3)
    assert float(loss(flash[:, :, :1], VIDEO[:, :, :1])) == 0


@pytest.mark.parametrize(("loss", "expected"), [("squared_error", 4.0), ("absolute_error", 2.0)])
def test_pixel_errors_are_means(loss, expected):
    error = getattr(losses, loss)
    assert float(error(VIDEO + 2, VIDEO)) == expected
    weight = torch.zeros(2, 1, 4, 6, 6)
    weight[..., :3] = 2.0
    assert float(error(VIDEO + 2, VIDEO, weight)) == expected


@pytest.mark.parametrize("loss", [losses.squared_edge_error, losses.absolute_edge_error])
def test_edge_errors_see_edges_and_no_brightness(loss):
    weight = torch.ones(2, 1, 4, 6, 6)
    edge = VIDEO.clone()
    edge[..., 3:] = 1  # one step to the right in each row, of five
    assert float(loss(VIDEO + 1, VIDEO, weight)) == 0
    assert float(loss(edge, VIDEO, weight)) == pytest.approx(1 / 5)
    assert float(loss(edge, VIDEO)) == pytest.approx(1 / 5)


def test_likelihood_is_a_sum_over_each_frame():
    error = torch.ones(2, 3, 4, 6, 6)
    found = losses.negative_log_likelihood(error, torch.tensor(math.log(2.0)))
    assert float(found) == pytest.approx(3 * 36 * (0.5 + math.log(2.0)))


def test_the_standard_normal_has_no_divergence():
    zeros = torch.zeros(2, 4, 1, 2, 2)
    assert float(losses.kl_divergence(Posterior(zeros, zeros))) == 0
    assert float(losses.kl_divergence(Posterior(zeros + 1, zeros))) == 8


def test_wavelet_loss_pairs_the_levels():
    a, b = torch.zeros(2, 12, 1, 2, 2), torch.zeros(2, 24, 1, 1, 1)
    parts = {"encoder_outer": a, "decoder_outer": a + 1, "encoder_inner": b, "decoder_inner": b}
    assert float(losses.wavelet_loss(parts)) == 48


def test_a_sure_and_right_discriminator_has_no_loss():
    real, fake = torch.full((4,), 20.0), torch.full((4,), -20.0)
    assert float(losses.hinge_loss(real, fake)) == 0
    assert float(losses.logistic_loss(real, fake)) == pytest.approx(0, abs=1e-6)
    assert float(losses.hinge_loss(fake, real)) == 21


def test_the_adversary_pulls_as_hard_as_the_reconstruction():
    layer = torch.ones(3, requires_grad=True)
    weight = losses.adaptive_weight((6 * layer).sum(), (2 * layer).sum(), layer)
    assert float(weight) == pytest.approx(3, rel=1e-3)
    assert float(losses.adaptive_weight(layer.sum(), (0 * layer).sum(), layer)) == 1e4
