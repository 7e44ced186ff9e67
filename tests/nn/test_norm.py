"""Norms are torch's, on the quick way through training too."""

import pytest
import torch
from torch.nn import functional

from kineograph.nn.norm import RMSNorm, layer_norm, rms_norm


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_training_is_the_true_one(weighted):
    x = torch.randn(2, 5, 16)
    weight = torch.randn(16) if weighted else None
    results = []
    for norm in (
        lambda x, w: rms_norm(x, 1e-5, w),
        lambda x, w: functional.rms_norm(x, x.shape[-1:], w, 1e-5),
    ):
        leaves = [t.clone().requires_grad_() for t in (x, weight) if t is not None]
        y = norm(leaves[0], leaves[1] if weighted else None)
        y.cos().sum().backward()
        results.append([y, *(leaf.grad for leaf in leaves)])
    torch.testing.assert_close(results[0], results[1])


def test_training_and_sampling_give_the_same():
    x = torch.randn(3, 16)
    torch.testing.assert_close(rms_norm(x.clone().requires_grad_()), rms_norm(x))


def test_zero_stays_zero_and_has_a_finite_gradient():
    x = torch.zeros(2, 4, requires_grad=True)
    y = rms_norm(x)
    y.sum().backward()
    assert not y.any()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_half_precision_stays_half_precision():
    norm = RMSNorm(16)
    for x in (torch.randn(3, 16).bfloat16(), torch.randn(3, 16).bfloat16().requires_grad_()):
        assert norm(x).dtype == torch.bfloat16


def test_a_layer_norm_has_mean_zero_and_variance_one():
    y = layer_norm(torch.randn(3, 64) * 5 + 2)
    torch.testing.assert_close(y.mean(-1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(-1, correction=0), torch.ones(3), atol=1e-4, rtol=0)
