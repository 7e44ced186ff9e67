"""Latents that agree with a network's features cost nothing; others learn to agree."""

import pytest
import torch

from kineograph.autoencoders.losses_distillation import (
    LatentDistillationConfig,
    align,
    relate,
)
from kineograph.autoencoders.losses_terms import Comparison, Networks
from kineograph.errors import ConfigError
from kineograph.types import Posterior, Reconstruction

CONFIG = LatentDistillationConfig(channels=4, features=6)


def network(frames):
    """Six features of each 4 x 4 patch: the colours' means and their squares."""
    means = torch.nn.functional.avg_pool2d(frames, 4)
    return torch.cat((means, means.square()), 1)


def compared(latents=None, frames=5, parts=None):
    random = torch.Generator().manual_seed(0)
    video = torch.rand(2, 3, frames, 16, 16, generator=random) * 2 - 1
    if latents is None:
        latents = torch.randn(2, 4, 2, 4, 4, generator=random)
    return Comparison(Reconstruction(video, Posterior(latents), parts or {}), video)


def build(config=CONFIG):
    torch.manual_seed(0)
    return config.build(Networks(features=network))


def test_one_direction_costs_nothing_and_the_opposite_all():
    x = torch.randn(2, 6, 2, 3, 3)
    assert float(align(x, 3 * x, 0.0)) == pytest.approx(0, abs=1e-6)
    assert float(align(x, -x, 0.0)) == pytest.approx(2)
    assert float(align(x, -x, 0.5)) == pytest.approx(1.5)
    right = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1, 1)
    assert float(align(right, right.flip(1), 0.5)) == pytest.approx(0.5)


def test_relations_of_places_are_compared_frame_by_frame():
    x = torch.randn(1, 6, 2, 3, 3)
    turned = torch.linalg.qr(torch.randn(6, 6))[0]
    assert float(relate(torch.einsum("dc,bcfhw->bdfhw", turned, x), x, 0.0)) < 1e-6
    same, other = torch.ones(1, 2, 1, 1, 2), torch.eye(2).view(1, 2, 1, 1, 2)
    assert float(relate(same, other, 0.0)) == pytest.approx(0.5)  # two of four cosines: 1 for 0
    assert float(relate(same, other, 0.25)) == pytest.approx(0.375)
    two_frames = torch.cat((same, other), 2)
    assert float(relate(two_frames, torch.cat((other, other), 2), 0.0)) == pytest.approx(0.25)


def test_targets_are_features_of_evenly_spread_frames_on_the_grid_of_latents():
    measure, seen = build(), compared()
    target = measure.target(seen.video, torch.zeros(2, 6, 2, 4, 4))
    for place, frame in enumerate((0, 4)):
        assert torch.allclose(target[:, :, place], network(seen.video[:, :, frame]), atol=1e-6)
    coarse = measure.target(seen.video, torch.zeros(2, 6, 2, 2, 2))
    assert coarse.shape == (2, 6, 2, 2, 2)
    flat = measure.target(torch.full((1, 3, 1, 16, 16), 0.5), torch.zeros(1, 6, 1, 3, 3))
    assert torch.allclose(flat[0, :, 0, 1, 1], torch.tensor([0.5] * 3 + [0.25] * 3))


def test_latents_and_projection_learn_and_the_network_does_not():
    convolution = torch.nn.Conv2d(3, 6, 4, stride=4)
    measure = CONFIG.build(Networks(features=convolution))
    latents = torch.randn(2, 4, 2, 4, 4, requires_grad=True)
    measure(compared(latents)).backward()
    assert latents.grad is not None and latents.grad.abs().sum() > 0
    assert measure.projection.weight.grad is not None
    assert convolution.weight.grad is None
    assert [name for name, _ in measure.named_parameters()] == ["projection.weight"]


def test_alignment_is_learnt():
    measure = build()
    latents = torch.nn.Parameter(compared().found.posterior.mean.clone())
    moving = [latents, *measure.parameters()]
    told = []
    for _ in range(40):
        loss = measure(compared(latents))
        with torch.no_grad():
            for weight, slope in zip(moving, torch.autograd.grad(loss, moving), strict=True):
                weight -= 0.05 * slope.sign()
        told.append(loss.item())
    assert told[-1] < 0.5 * told[0]


def test_a_part_of_the_reconstruction_can_be_the_one_that_learns():
    config = LatentDistillationConfig(part="encoder_level_2", channels=5, features=6)
    level = torch.randn(2, 5, 2, 8, 8, requires_grad=True)
    build(config)(compared(parts={"encoder_level_2": level})).backward()
    assert level.grad is not None
    with pytest.raises(ConfigError, match=r"'encoder_level_2'.*did you mean 'encoder_level_1'"):
        build(config)(compared(parts={"encoder_level_1": level}))


def test_a_missing_network_or_other_widths_are_refused():
    with pytest.raises(ConfigError, match="needs a feature network"):
        CONFIG.build(Networks())
    with pytest.raises(ConfigError, match=r"3 channels, expected channels=4"):
        build()(compared(torch.zeros(2, 3, 2, 4, 4)))
    with pytest.raises(ConfigError, match=r"6 features, expected features=7"):
        build(LatentDistillationConfig(channels=4, features=7))(compared())
