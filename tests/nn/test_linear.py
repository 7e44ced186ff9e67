"""A quicker linear layer says the same, and steps aside for whatever else wants to be called."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from kineograph.nn import linear
from kineograph.nn.attention import attend
from kineograph.nn.linear import Linear, gelu_of
from kineograph.nn.modulation import Branch
from kineograph.nn.norm import rms_norm
from kineograph.nn.rotary import Rotary


@pytest.fixture(params=[False, True], ids=["without units", "with units"])
def units(request, monkeypatch):
    """Both kinds of CPU."""
    for module in ("kineograph.nn.linear", "kineograph.nn.attention"):
        monkeypatch.setattr(f"{module}.bfloat16_units", lambda: request.param)
    return request.param


@pytest.fixture
def always_fused(monkeypatch):
    """Small layers count as large."""
    monkeypatch.setattr(linear, "MUCH", 0)


def pair(dtype=torch.float32, *, bias=True):
    """A layer and 40 rows for it."""
    torch.manual_seed(0)
    return Linear(24, 16, bias=bias).to(dtype), torch.randn(2, 20, 24).to(dtype)


def close(found, expected):
    """Within the rounding of the dtype."""
    step = torch.finfo(found.dtype).eps
    assert found.dtype == expected.dtype
    assert (found - expected).norm() <= 2 * step * expected.norm()


def torchs(layer, x):
    return functional.linear(x, layer.weight, layer.bias)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_linear_is_torchs_linear(units, dtype, bias):
    layer, x = pair(dtype, bias=bias)
    close(layer(x), torchs(layer, x))


@torch.no_grad()
def test_float32_replaces_bfloat16_only_where_there_are_no_units(units, monkeypatch):
    layer, x = pair(torch.bfloat16)
    seen = []

    def spy(x, weight, bias):
        seen.append(x.dtype)
        return torch.addmm(bias, x.flatten(0, -2), weight.T).unflatten(0, x.shape[:-1])

    monkeypatch.setattr(functional, "linear", spy)
    layer(x)
    layer(x[:1, :5])  # too few rows for converting the weight
    assert seen == [torch.bfloat16 if units else torch.float32, torch.bfloat16]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_a_fused_gelu_is_a_gelu(units, always_fused, dtype, bias):
    layer, x = pair(dtype, bias=bias)
    if units and dtype == torch.bfloat16 and not linear.onednn_bfloat16():
        pytest.skip("oneDNN multiplies no bfloat16 on this CPU")
    assert linear._fusable(layer, x)
    expected = functional.gelu(torchs(layer, x).float(), approximate="tanh").to(dtype)
    close(gelu_of(layer, x), expected)


@torch.no_grad()
def test_small_products_are_not_fused():
    assert not linear._fusable(*pair())


def test_gradients_are_those_of_torch(units, always_fused):
    layer, x = pair(torch.bfloat16)
    other = copy.deepcopy(layer)
    gelu_of(layer, x).float().sum().backward()
    functional.gelu(torchs(other, x), approximate="tanh").float().sum().backward()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad, other.weight.grad)


@torch.no_grad()
def test_an_adapter_in_its_place_is_called(always_fused):
    class Adapter(nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base, self.weight, self.bias = base, base.weight, base.bias

        def forward(self, x):
            return self.base(x) + 1.0

    layer, x = pair()
    expected = functional.gelu(layer(x) + 1.0, approximate="tanh")
    close(gelu_of(Adapter(layer), x), expected)


@torch.no_grad()
def test_a_hook_sees_the_layer(always_fused):
    layer, x = pair()
    seen = []
    layer.register_forward_hook(lambda module, args, result: seen.append(result))
    close(gelu_of(layer, x), functional.gelu(seen[0], approximate="tanh"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("keys", [7, 513], ids=["few keys", "many keys"])
@torch.no_grad()
def test_every_way_to_attend_says_the_same(units, dtype, keys):
    torch.manual_seed(1)
    q, k, v = (torch.randn(2, count, 3, 8).to(dtype) for count in (5, keys, keys))
    bias = torch.randn(2, 1, 1, keys).to(dtype)
    scores = torch.einsum("bnak,blak->banl", q.double(), k.double()) / 8**0.5 + bias.double()
    expected = torch.einsum("banl,blak->bnak", scores.softmax(-1), v.double())
    found = attend(q, k, v, bias)
    assert found.dtype == dtype
    assert (found.double() - expected).norm() < 4 * torch.finfo(dtype).eps * expected.norm()


@pytest.mark.parametrize("learning", [False, True])
def test_modulation_in_place_says_the_same(learning):
    torch.manual_seed(2)
    branch = Branch(*(torch.randn(2, 3, 1, 4) for _ in range(3)))
    x, change = (torch.randn(2, 6, 4, requires_grad=learning) for _ in range(2))
    with torch.set_grad_enabled(learning):
        entered, left = branch.enter(x), branch.leave(x, change)
        kept = x.clone()
        assert torch.equal(branch.leave_(x, change.clone()), left)
        assert torch.equal(x, kept)  # a residual branch never touches what it joins
        assert torch.equal(branch.enter_(x.clone()), entered)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@torch.no_grad()
def test_norm_is_torchs_norm(dtype):
    torch.manual_seed(3)
    x, weight = torch.randn(3, 5, 8).to(dtype), torch.rand(8).to(dtype)
    found = rms_norm(x, 1e-6, weight)
    close(found, functional.rms_norm(x, (8,), weight, 1e-6))


def test_rotation_turns_pairs_and_lets_gradients_through():
    x = torch.randn(2, 3, 1, 4, dtype=torch.float64, requires_grad=True)
    angles = torch.rand(1, 3, 1, 2, dtype=torch.float64)
    rotary = Rotary(angles.cos(), angles.sin())
    turned = torch.view_as_complex(torch.stack(x.chunk(2, -1), -1)) * torch.exp(1j * angles)
    expected = torch.cat([turned.real, turned.imag], -1)
    assert torch.allclose(rotary(x), expected)
    weights = torch.randn_like(x)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (rotary(x), expected)]
    assert torch.allclose(*gradients)
