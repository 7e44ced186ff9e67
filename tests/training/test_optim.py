"""Rates rise, stay and fall; Muon turns matrices only; what is not given does not move."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.optim import AdamW, Muon

from kineograph.recipes.stages import Schedule
from kineograph.training.optim import Optimisers, learning_rate

SCHEDULE = Schedule(steps=100, batch=1, rate=0.1, warmup=10, decay=0.4)
MATRICES = ("blocks.*.weight",)


class Model(nn.Module):
    """Two blocks of a matrix, a bias and a norm, and a matrix outside."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6)) for _ in range(2)
        )
        self.out = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 6) -> (B, 3)"""
        for block in self.blocks:
            x = block(x)
        result: torch.Tensor = self.out(x)
        return result


def learn(model: nn.Module, optimisers: Optimisers, steps: range) -> None:
    for index in steps:
        torch.manual_seed(index)
        model(torch.randn(8, 6)).square().mean().backward()
        optimisers.gradients()
        optimisers.step(index)


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_the_rate_rises_stays_and_falls_to_almost_nothing(shape: str) -> None:
    schedule = replace(SCHEDULE, shape="linear" if shape == "linear" else "cosine")
    rates = [learning_rate(schedule, index) for index in range(100)]
    assert rates[:10] == pytest.approx([0.01 * (index + 1) for index in range(10)])
    assert rates[10:61] == [0.1] * 51
    assert all(0 < later < earlier for earlier, later in pairwise(rates[60:]))
    assert rates[80] == pytest.approx(0.05)  # half way down, on the line and on the cosine
    assert rates[-1] < 0.003


def test_a_cosine_leaves_gently_and_arrives_gently() -> None:
    line, curve = SCHEDULE, replace(SCHEDULE, shape="cosine")
    assert learning_rate(curve, 65) > learning_rate(line, 65)
    assert learning_rate(curve, 95) < learning_rate(line, 95)


def test_without_warm_up_and_decay_the_rate_is_level() -> None:
    level = replace(SCHEDULE, warmup=0, decay=0.0)
    assert {learning_rate(level, index) for index in range(100)} == {0.1}


def test_muon_gets_the_matrices_whose_names_match_and_nothing_else() -> None:
    model = Model()
    named = dict(model.named_parameters())
    kinds = {
        id(parameter): type(part)
        for part in Optimisers(list(named.items()), SCHEDULE, MATRICES).parts
        for group in part.param_groups
        for parameter in group["params"]
    }
    turned = {name for name, parameter in named.items() if kinds[id(parameter)] is Muon}
    assert turned == {
        "blocks.0.0.weight",
        "blocks.1.0.weight",
    }  # no bias, no norm's weight, no matrix outside
    assert set(kinds.values()) == {AdamW, Muon} and len(kinds) == len(named)


def test_all_rates_follow_the_schedule() -> None:
    model = Model()
    optimisers = Optimisers(list(model.named_parameters()), SCHEDULE, MATRICES)
    learn(model, optimisers, range(3, 4))
    rates = [group["lr"] for part in optimisers.parts for group in part.param_groups]
    assert rates == [pytest.approx(0.04)] * 2


def test_parameters_that_are_not_given_do_not_move() -> None:
    model = Model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    given = [(name, one) for name, one in model.named_parameters() if name.startswith("blocks")]
    learn(model, Optimisers(given, SCHEDULE, MATRICES), range(3))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == name.startswith("out"), name


def test_a_parameter_without_a_gradient_counts_as_zero_in_its_place() -> None:
    model = Model()
    optimisers = Optimisers(list(model.named_parameters()), SCHEDULE)
    model.out(torch.ones(1, 6)).sum().backward()
    gradients = optimisers.gradients()
    assert [g.shape for g in gradients] == [p.shape for p in optimisers.parameters]
    assert not any(gradient.any() for gradient in gradients[:-2])
    assert all(gradient.any() for gradient in gradients[-2:])


def test_a_step_tells_the_norm_before_clipping_and_forgets_the_gradients() -> None:
    weight = nn.Parameter(torch.zeros(4))
    weight.grad = torch.full((4,), 50.0)
    assert Optimisers([("weight", weight)], SCHEDULE).step(0) == pytest.approx(100.0)
    assert weight.grad is None


def test_a_saved_optimiser_goes_on_bit_for_bit() -> None:
    whole, parted = Model(), Model()
    straight = Optimisers(list(whole.named_parameters()), SCHEDULE, MATRICES)
    learn(whole, straight, range(6))
    first = Optimisers(list(parted.named_parameters()), SCHEDULE, MATRICES)
    learn(parted, first, range(3))
    second = Optimisers(list(parted.named_parameters()), SCHEDULE, MATRICES)
    second.load_state_dict(first.state_dict())
    learn(parted, second, range(3, 6))
    for one, other in zip(whole.parameters(), parted.parameters(), strict=True):
        assert torch.equal(one, other)
