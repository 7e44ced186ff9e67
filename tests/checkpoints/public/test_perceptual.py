"""LPIPS reads the files in which its weights are published, and nothing else."""

import pytest
import torch
from safetensors.torch import save_file

from kineograph.checkpoints.public.perceptual import lpips_key_map, lpips_widths, read_lpips
from kineograph.errors import CheckpointError
from kineograph.nn.perceptual import LPIPS

WIDTHS = (2, 3, 3, 4, 4)
PICTURES = torch.linspace(-1, 1, 2 * 3 * 16 * 16).view(2, 3, 16, 16)


@pytest.fixture
def metric():
    torch.manual_seed(0)
    return LPIPS(WIDTHS)


@pytest.fixture
def public(metric):
    return lpips_key_map().dump(metric.state_dict())


def split(public):
    """As torchvision and the metric's authors publish them: convolutions, heads."""
    heads = {name: tensor for name, tensor in public.items() if name.startswith("lin")}
    features = {
        "features." + name.split(".", 2)[2]: tensor
        for name, tensor in public.items()
        if name.startswith("net.")
    }
    return features | {"classifier.0.weight": torch.zeros(2, 2)}, heads


def test_names_come_back_bit_for_bit(metric, public):
    assert len(public) == 33
    assert public["lin1.model.1.weight"].shape == (1, 3, 1, 1)
    assert lpips_widths(public) == WIDTHS
    ours = lpips_key_map().load(public)
    assert all(torch.equal(ours[name], tensor) for name, tensor in metric.state_dict().items())


def test_one_file_with_all(metric, public, tmp_path):
    save_file(public, tmp_path / "lpips.safetensors")
    found = read_lpips([tmp_path / "lpips.safetensors"])
    assert torch.equal(found(PICTURES, PICTURES.flip(0)), metric(PICTURES, PICTURES.flip(0)))
    assert not any(parameter.requires_grad for parameter in found.parameters())


def test_the_two_published_pickles(metric, public, tmp_path):
    features, heads = split(public)
    torch.save(features, tmp_path / "vgg16.pth")
    torch.save(heads, tmp_path / "vgg.pth")
    found = read_lpips([tmp_path / "vgg16.pth", tmp_path / "vgg.pth"])
    assert torch.equal(found(PICTURES, PICTURES.flip(0)), metric(PICTURES, PICTURES.flip(0)))


def test_convolutions_alone_are_refused_by_naming_the_other_file(public, tmp_path):
    torch.save(split(public)[0], tmp_path / "vgg16.pth")
    with pytest.raises(CheckpointError, match=r"no lin0.model.1.weight.*`vgg.pth`"):
        read_lpips([tmp_path / "vgg16.pth"])


def test_heads_alone_are_refused(public, tmp_path):
    torch.save(split(public)[1], tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match=r"net\.slice1\.0"):
        read_lpips([tmp_path / "vgg.pth"])


def test_other_statistics_of_rgb_are_refused(public):
    public["scaling_layer.shift"] = torch.zeros(1, 3, 1, 1)
    with pytest.raises(CheckpointError, match="differs from the constant"):
        lpips_key_map().load(public)


def test_a_head_that_is_named_twice_is_read_once(public):
    twice = public | {"lins.0.model.1.weight": public["lin0.model.1.weight"]}
    assert lpips_key_map().load(twice).keys() == lpips_key_map().load(public).keys()
