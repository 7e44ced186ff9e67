"""Muon in float32 is torch's own: the same steps, the same state."""

import pytest
import torch
from torch import nn

from kineograph.optimisers.muon import WideMuon, orthogonal


@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_rows_or_columns_come_near_to_orthonormal(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonal(matrix, (3.4445, -4.7750, 2.0315), 5, 1e-7)
    assert found.shape == shape and found.dtype == torch.float32
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.3


def test_it_moves_as_torchs_own_does_and_either_goes_on_with_the_others_state() -> None:
    start = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    weights = [nn.Parameter(start.clone()) for _ in range(2)]
    one = WideMuon([weights[0]], lr=0.1, weight_decay=0.1)
    other = torch.optim.Muon([weights[1]], lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for step in range(6):
        if step == 3:
            states = one.state_dict(), other.state_dict()
            one.load_state_dict(states[1])
            other.load_state_dict(states[0])
        for weight in weights:
            weight.grad = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        one.step()
        other.step()
    torch.testing.assert_close(weights[0], weights[1], atol=2e-2, rtol=0)
    assert (weights[0] - start).abs().max() > 0.1


def test_a_kernel_moves_as_the_matrix_of_its_rows_does() -> None:
    start = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    kernel, matrix = nn.Parameter(start.clone()), nn.Parameter(start.flatten(1).clone())
    for weight in (kernel, matrix):
        optimiser = WideMuon([weight], lr=0.1, weight_decay=0.0)
        for step in range(2):
            pull = torch.randn(4, 12, generator=torch.Generator().manual_seed(step))
            weight.grad = pull.reshape(weight.shape)
            optimiser.step()
    assert torch.equal(kernel.flatten(1), matrix)
    assert (kernel - start).abs().max() > 0.05
