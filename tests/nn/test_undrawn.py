"""Weights that will be read are not drawn before."""

import pytest
import torch
from torch import nn

from kineograph import recipes
from kineograph.checkpoints import files
from kineograph.nn.undrawn import Undrawn


@pytest.mark.parametrize("part", ["autoencoder", "text", "denoiser"])
def test_nothing_is_drawn_and_what_is_read_is_whole(part):
    config = getattr(recipes.get("toybox-64"), part)
    torch.manual_seed(0)
    drawn = config.build()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with Undrawn():
        built = config.build()
    assert torch.equal(torch.get_rng_state(), before)
    files.load_into(built, drawn.state_dict())
    for name, value in built.state_dict().items():
        assert torch.equal(value, drawn.state_dict()[name]), name
    whole = dict(drawn.named_buffers())  # also those that no file holds
    for name, buffer in built.named_buffers():
        assert torch.equal(buffer, whole[name]), name


def test_afterwards_weights_are_drawn_again():
    with Undrawn():
        pass
    assert nn.Linear(4, 4).weight.abs().max() > 0
