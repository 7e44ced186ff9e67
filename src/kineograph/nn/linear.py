"""Linear layers that are as quick as the machine allows, with the weights of `nn.Linear`.

Letters: B samples, N tokens, D width.
"""

import platform
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

FEW = 32  # rows below which converting a weight costs more than it saves
MUCH = 1 << 28  # multiplications from which on a fused call is worth leaving the usual path


class Linear(nn.Linear):
    """`nn.Linear`; sampling in bfloat16 goes through float32 on a CPU that is slow in bfloat16.

    The products are summed in float32 either way, so that only the time differs: without units
    for bfloat16 a CPU takes more than four times as long. Training keeps the usual path, where
    copies in float32 would have to wait for the gradient.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The same as a function: (..., inputs), (outputs, inputs), (outputs,) -> (..., outputs)."""
    if not (wider(x) and x.numel() >= FEW * weight.shape[1]):
        return functional.linear(x, weight, bias)
    bias = None if bias is None else bias.float()
    return functional.linear(x.float(), weight.float(), bias).to(x.dtype)


def gelu_of(layer: nn.Module, x: Tensor) -> Tensor:
    """GELU in its tanh form of a linear layer's result, in one pass where that is possible.

    Args:
        layer: a `Linear`, or what adapters, quantisation or hooks have made of it, which is
            called as it is.
        x: (..., inputs).

    Returns:
        (..., outputs).
    """
    if not (type(layer) is Linear and _fusable(layer, x)):
        return functional.gelu(layer(x), approximate="tanh")
    if not wider(x):
        return _linear_gelu(x, layer.weight, layer.bias)
    bias = None if layer.bias is None else layer.bias.float()
    return _linear_gelu(x.float(), layer.weight.float(), bias).to(x.dtype)


def wider(x: Tensor) -> bool:
    """Whether float32 is the quicker way to multiply with x: it is bfloat16 without units."""
    slow = x.device.type == "cpu" and x.dtype == torch.bfloat16 and not bfloat16_units()
    return slow and not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")


@cache
def bfloat16_units() -> bool:
    """Whether this CPU multiplies bfloat16 at least as quickly as float32."""
    intel = platform.machine().lower() in ("x86_64", "amd64")
    return not intel or torch.cpu._is_avx512_bf16_supported()


@cache
def onednn_bfloat16() -> bool:
    """Whether oneDNN's fused layers take bfloat16 on this CPU."""
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported


def _fusable(layer: Linear, x: Tensor) -> bool:
    """A large product on a CPU, without a gradient, of plain weights that nobody watches."""
    large = x.numel() * layer.out_features >= MUCH
    has_it: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    cpu = x.device.type == "cpu" and has_it
    plain = type(layer.weight) is nn.Parameter and x.dtype == layer.weight.dtype
    watched = layer._forward_hooks or layer._forward_pre_hooks
    half = x.dtype == torch.bfloat16 and (wider(x) or onednn_bfloat16())
    kind = x.dtype == torch.float32 or half
    free = not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    return large and cpu and plain and kind and free and not watched


def _linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The linear layer of oneDNN, which applies GELU while a result is still in the cache."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", [], "tanh")
    return result
