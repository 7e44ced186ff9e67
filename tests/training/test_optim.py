"""Rates rise, stay and fall; Muon turns matrices only; what is not given does not move."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from kineograph.errors import ConfigError, NumericsError
from kineograph.optimisers.clipping import AdaptiveClip
from kineograph.optimisers.kinds import Adafactor, AdamW, Muon, Optimiser
from kineograph.recipes.stages import Change, Schedule
from kineograph.training.optim import Optimisers, learning_rate, unfreeze

SCHEDULE = Schedule(steps=100, batch=1, rate=0.1, warmup=10, decay=0.4)
TURNED = replace(SCHEDULE, optimiser=Muon(matrices=("blocks.*.weight",)))
KINDS: list[Optimiser] = [AdamW(), Adafactor(), Muon(matrices=("blocks.*.weight",))]


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
        for part in Optimisers(list(named.items()), TURNED).parts
        for group in part.param_groups
        for parameter in group["params"]
    }
    turned = {name for name, one in named.items() if issubclass(kinds[id(one)], torch.optim.Muon)}
    assert turned == {
        "blocks.0.0.weight",
        "blocks.1.0.weight",
    }  # no bias, no norm's weight, no matrix outside
    assert kinds.keys() == {id(one) for one in named.values()}


def test_all_rates_follow_the_schedule() -> None:
    model = Model()
    optimisers = Optimisers(list(model.named_parameters()), TURNED)
    learn(model, optimisers, range(3, 4))
    rates = [group["lr"] for part in optimisers.parts for group in part.param_groups]
    assert rates == [pytest.approx(0.04)] * 2


def test_parameters_that_are_not_given_do_not_move() -> None:
    model = Model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    given = [(name, one) for name, one in model.named_parameters() if name.startswith("blocks")]
    learn(model, Optimisers(given, TURNED), range(3))
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
    assert Optimisers([("weight", weight)], SCHEDULE).step(0).norm == pytest.approx(100.0)
    assert weight.grad is None


@pytest.mark.parametrize("outliers", [None, AdaptiveClip(sigmas=0.5)], ids=["plain", "adaptive"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.kind)
def test_a_saved_optimiser_goes_on_bit_for_bit(
    kind: Optimiser, outliers: AdaptiveClip | None
) -> None:
    schedule = replace(SCHEDULE, optimiser=kind, outliers=outliers)
    whole, parted = Model(), Model()
    straight = Optimisers(list(whole.named_parameters()), schedule)
    learn(whole, straight, range(6))
    first = Optimisers(list(parted.named_parameters()), schedule)
    learn(parted, first, range(3))
    second = Optimisers(list(parted.named_parameters()), schedule)
    second.load_state_dict(first.state_dict())
    learn(parted, second, range(3, 6))
    for one, other in zip(whole.parameters(), parted.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.kind)
def test_every_kind_makes_a_loss_fall(kind: Optimiser) -> None:
    model = Model()
    x = torch.randn(8, 6)
    optimisers = Optimisers(list(model.named_parameters()), replace(SCHEDULE, optimiser=kind))
    losses = []
    for index in range(10, 40):
        loss = (model(x) - x[:, :3]).square().mean()
        losses.append(loss.item())
        loss.backward()
        optimisers.step(index)
    assert losses[-1] < 0.5 * losses[0]


def test_a_rate_changes_at_the_steps_that_a_stage_names() -> None:
    level = replace(SCHEDULE, warmup=0, decay=0.0)
    changes = (Change(step=40, rate=0.05), Change(step=80, rate=0.01))
    rates = [learning_rate(replace(level, changes=changes), index) for index in range(100)]
    assert rates == [0.1] * 40 + [0.05] * 40 + [0.01] * 20


def test_an_outlier_gets_no_say_and_the_journal_gets_its_curves() -> None:
    weight = nn.Parameter(torch.zeros(4))
    schedule = replace(SCHEDULE, clip=None, outliers=AdaptiveClip(sigmas=1.0))
    optimisers = Optimisers([("weight", weight)], schedule)
    for index, size in enumerate((1.0, 1.0, 1000.0)):
        weight.grad = torch.full((4,), size)
        moved = optimisers.step(index)
    assert moved.norm == 0.0 and moved.curves["gradient/dropped"] == 1.0
    assert len(moved.curves) == 7 and moved.curves["gradient/largest"] == 2000.0


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([1.0, torch.nan])
    with pytest.raises(NumericsError, match="step 0: the norm of the gradients is nan"):
        Optimisers([("weight", weight)], SCHEDULE).step(0)
    assert not weight.any()


def test_frozen_weights_are_chosen_by_name() -> None:
    model = Model()
    named = list(model.named_parameters())
    names = [name for name, _ in unfreeze(named, ("blocks.*", "*.bias"))]
    assert names == ["out.weight"]
    assert [n for n, p in model.named_parameters() if p.requires_grad] == ["out.weight"]
    with pytest.raises(ConfigError, match=r"'block.0' matches no weight; did you mean 'blocks.0"):
        unfreeze(named, ("block.0",))
    with pytest.raises(ConfigError, match="nothing is left to learn"):
        unfreeze(named, ("*",))
