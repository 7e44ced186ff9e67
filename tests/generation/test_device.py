"""The CPU always works; a device that is not there is refused in words."""

import pytest
import torch

from kineograph.errors import ConfigError
from kineograph.generation.device import Place, choose


def test_the_cpu_is_always_there():
    place = choose("cpu")
    assert place.device.type == "cpu"
    with place.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == place.dtype


def test_full_precision_stays_full():
    with Place(torch.device("cpu"), torch.float32).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize("name", ["cuda:99", "toaster"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(ConfigError, match=f"{name}.*`cpu` always work"):
        choose(name)
