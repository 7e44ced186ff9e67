"""The average starts where the model is, follows it, and holds still where the model does."""

import torch
from torch import nn

from kineograph.training.average import Average


def layer(value: float) -> nn.BatchNorm1d:
    """A module with weights and buffers, all of one value."""
    module = nn.BatchNorm1d(3)
    module.load_state_dict(
        {name: torch.full_like(tensor, value) for name, tensor in module.state_dict().items()}
    )
    return module


def test_the_average_is_a_copy_that_learns_nothing_itself() -> None:
    model = layer(1.0)
    average = Average(model, 0.9)
    model.weight.data.fill_(7.0)
    assert torch.equal(average.model.weight, torch.ones(3))
    assert not average.model.training and not average.model.weight.requires_grad
    assert model.training and model.weight.requires_grad


def test_the_first_updates_forget_the_initial_weights_quickly() -> None:
    average = Average(layer(0.0), 0.999)
    average.update(layer(1.0))
    assert torch.allclose(average.model.weight, torch.tensor(10 / 11))
    for _ in range(20):
        average.update(layer(1.0))
    assert (average.model.weight > 0.99999).all()


def test_later_updates_have_the_weight_that_the_decay_leaves_them() -> None:
    average = Average(layer(0.0), 0.9)
    average.updates = 1000
    average.update(layer(1.0))
    assert torch.allclose(average.model.weight, torch.tensor(0.1))
    average.update(layer(1.0))
    assert torch.allclose(average.model.weight, torch.tensor(0.19))


def test_buffers_are_copied() -> None:
    average = Average(layer(0.0), 0.9)
    average.update(layer(3.0))
    assert torch.equal(average.model.get_buffer("running_mean"), torch.full((3,), 3.0))


def test_a_model_that_stands_still_is_its_own_average_bit_for_bit() -> None:
    model = layer(0.3)
    average = Average(model, 0.9)
    for _ in range(5):
        average.update(model)
    assert torch.equal(average.model.weight, model.weight)


def test_a_saved_average_goes_on() -> None:
    one, other = Average(layer(0.0), 0.9), Average(layer(5.0), 0.9)
    one.update(layer(1.0))
    other.load_state_dict(one.state_dict())
    for average in (one, other):
        average.update(layer(2.0))
    assert one.updates == other.updates == 2
    assert torch.equal(one.model.weight, other.model.weight)
