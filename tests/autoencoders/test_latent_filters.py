"""Filters of latents change what they say and nothing else."""

import torch

from kineograph.autoencoders.latent_filters import match_statistics, tone_map


def test_statistics_are_those_of_the_reference():
    latents, reference = torch.randn(2, 3, 2, 4, 5), 3 * torch.randn(2, 3, 1, 2, 9) + 1
    found = match_statistics(latents, reference)
    assert torch.allclose(found.mean((2, 3, 4)), reference.mean((2, 3, 4)), atol=1e-5)
    assert torch.allclose(found.std((2, 3, 4)), reference.std((2, 3, 4)), atol=1e-5)


def test_no_share_changes_nothing():
    latents = torch.randn(1, 2, 2, 3, 3)
    assert torch.equal(match_statistics(latents, 2 * latents, 0.0), latents)
    assert torch.equal(tone_map(latents, 0.0), latents)


def test_tones_keep_their_sign_and_order_and_large_ones_shrink_most():
    values = torch.linspace(-5, 5, 101)
    found = tone_map(values, 0.6)
    assert (found.sign() == values.sign()).all()
    kept = (found / values).nan_to_num(1.0)
    assert (kept <= 1).all() and kept[0] < kept[40]
