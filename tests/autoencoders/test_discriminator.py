"""The discriminator gives a logit for each patch, and halves what it says."""

import pytest
import torch

from kineograph.autoencoders.discriminator import PatchDiscriminatorConfig


@pytest.mark.parametrize(("layers", "shape"), [(2, (2, 6, 4)), (3, (2, 3, 2)), (4, (2, 2, 1))])
def test_time_is_halved_twice_and_space_by_all_layers_but_the_last(layers, shape):
    model = PatchDiscriminatorConfig(width=4, layers=layers).build().eval()
    logits = model(torch.zeros(1, 3, 5, 24, 16))
    assert logits.shape == (1, 1, *shape)


def test_width_stops_at_eight_times_the_first():
    model = PatchDiscriminatorConfig(width=2, layers=5).build()
    assert [stage.conv.out_channels for stage in model.stages] == [4, 8, 16, 16, 16]
