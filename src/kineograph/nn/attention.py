"""Attention: one core function, and the two ways in which video tokens use it.

Letters: B samples, N video tokens, L text tokens, D width, A heads of size K.
"""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.nn.grouping import Full, Grouping
from kineograph.nn.linear import Linear, bfloat16_units, wider
from kineograph.nn.norm import RMSNorm
from kineograph.nn.order import BothWays, Order
from kineograph.nn.rotary import Rotary
from kineograph.types import Grid

MASKED = -10000.0  # finite, so that a row without any real token attends evenly
EXPLICIT = 1 << 20  # scores per head up to which plain matmuls win, see `attend`
LONG = 512  # keys from which on a copy in the kernel's order pays, see `attend`


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """Softmax attention, (B, N, A, K) with (B, L, A, K) twice -> (B, N, A, K).

    Args:
        query: (B, N, A, K).
        key: (B, L, A, K).
        value: (B, L, A, K).
        bias: added to the scores, broadcastable to (B, A, N, L).

    The fused kernel is used except for bfloat16 on a CPU with units for it, where for short
    sequences plain matmuls are 2 (forward) to 10 (backward) times faster. On a CPU the kernel
    reads keys and values once for every few queries: that is up to a third quicker where the
    tokens of a head lie side by side, which is worth a copy.
    """
    if wider(query):
        bias = None if bias is None else bias.float()
        return attend(query.float(), key.float(), value.float(), bias).to(query.dtype)
    q, k, v = (x.transpose(1, 2) for x in (query, key, value))
    small = q.shape[2] * k.shape[2] <= EXPLICIT
    cpu = q.device.type in ("cpu", "meta")
    if cpu and q.dtype == torch.bfloat16 and small and (bfloat16_units() or q.requires_grad):
        scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)
        if bias is not None:
            scores = scores + bias
        return (scores.softmax(-1) @ v).transpose(1, 2)
    if cpu and k.shape[2] >= LONG:
        k, v = k.contiguous(), v.contiguous()
    return functional.scaled_dot_product_attention(q, k, v, bias).transpose(1, 2)


def token_bias(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """What a mask (B, L), true where a token is real, adds to scores of that token: (B, L)."""
    return None if mask is None else (1.0 - mask.to(dtype)) * MASKED


def text_bias(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """What a mask (B, L), true where a text token is real, adds to scores: (B, 1, 1, L)."""
    bias = token_bias(mask, dtype)
    return None if bias is None else bias[:, None, None]


class QueryKeyNorm(Protocol):
    """How queries and keys are normalised before they meet."""

    def build(self, width: int, heads: int) -> nn.Module:
        """A module (B, N, A, K) -> the same shape."""
        ...


@dataclass(frozen=True)
class NormWidth:
    """By the root mean square of all heads together (LTX-Video, 2.2: "QK normalization")."""

    eps: float = 1e-5
    kind: Literal["width"] = "width"

    def build(self, width: int, heads: int) -> nn.Module:
        """With a weight per channel, (D,)."""
        return _WidthNorm(width, self.eps)


@dataclass(frozen=True)
class NormHead:
    """By the root mean square of each head (Henry et al., 2020; Dehghani et al., 2023)."""

    eps: float = 1e-6
    kind: Literal["head"] = "head"

    def build(self, width: int, heads: int) -> nn.Module:
        """With a weight per channel of a head, (K,)."""
        return RMSNorm(width // heads, self.eps)


@dataclass(frozen=True)
class NormLayer:
    """Each head to mean 0 and variance 1, as LTX-Video tried it (2501.00103, 2.2.2)."""

    eps: float = 1e-6
    kind: Literal["layer"] = "layer"

    def build(self, width: int, heads: int) -> nn.Module:
        """With a weight and an offset per channel of a head, (K,)."""
        return nn.LayerNorm(width // heads, self.eps)


@dataclass(frozen=True)
class NoNorm:
    """Not at all."""

    kind: Literal["none"] = "none"

    def build(self, width: int, heads: int) -> nn.Module:
        """Without a weight."""
        return nn.Identity()


class _WidthNorm(RMSNorm):
    """The root mean square over all heads."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, A, K) -> (B, N, A, K)."""
        return super().forward(x.flatten(2)).view_as(x)


OVER_WIDTH = NormWidth()
BOTH_WAYS = BothWays()


class Projections(nn.Module):
    """Query, key, value and output; query and key may be normalised."""

    def __init__(self, width: int, heads: int, norm: QueryKeyNorm, *, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(width, width, bias=bias)
        self.key = Linear(width, width, bias=bias)
        self.value = Linear(width, width, bias=bias)
        self.out = Linear(width, width)
        self.query_norm = norm.build(width, heads)
        self.key_norm = norm.build(width, heads)

    def project(self, x: Tensor, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, D) and (B, L, D) -> (B, N, A, K), (B, L, A, K), (B, L, A, K)."""
        query, key, value = (
            layer(tokens).unflatten(-1, (self.heads, -1))
            for layer, tokens in ((self.query, x), (self.key, source), (self.value, source))
        )
        return self.query_norm(query), self.key_norm(key), value


@dataclass(frozen=True, eq=False)
class Detour:
    """Samples in which a token's own value, or the attention's own input, is its result.

    mask: true for those samples, (B, 1, 1). Spatio-temporal guidance leads away from what
    such a pass says (Hyung et al., 2411.18664).
    """

    mask: Tensor
    how: Literal["values", "attention"]


class SelfAttention(Projections):
    """Video tokens look at the video tokens of their group."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        grouping: Grouping | None = None,
        norm: QueryKeyNorm = OVER_WIDTH,
        bias: bool = True,
        order: Order = BOTH_WAYS,
    ) -> None:
        super().__init__(width, heads, norm, bias=bias)
        self.grouping = grouping or Full()
        self.order = order

    def forward(
        self,
        x: Tensor,
        rotary: Rotary | None,
        grid: Grid,
        detour: Detour | None = None,
        bias: Tensor | None = None,
        when: Tensor | None = None,
    ) -> Tensor:
        """Attend inside the groups.

        Args:
            x: video tokens, (B, N, D).
            rotary: the place of each of the N tokens; None: they are not turned.
            grid: how the tokens lie in time and space.
            detour: samples whose tokens do not look around; None: all do.
            bias: added to the scores of each token, as a key, (B, N), see `token_bias`;
                None: all tokens are real.
            when: the frame of each token, (B, N), for attention in order; None: as `grid` says.

        Returns:
            (B, N, D).
        """
        q, k, v = self.project(x, x)
        if rotary is not None:
            q, k = rotary(q), rotary(k)
        q, k, values = (self.grouping.split(part, grid) for part in (q, k, v))
        found = attend(q, k, values, self._bias(x, grid, bias, when))
        found = self.grouping.merge(found, grid).flatten(2)
        if detour is not None:
            own = v.flatten(2) if detour.how == "values" else x
            found = torch.where(detour.mask, own, found)
        result: Tensor = self.out(found)
        return result

    def _bias(
        self, x: Tensor, grid: Grid, bias: Tensor | None, when: Tensor | None
    ) -> Tensor | None:
        """What is added to scores, broadcastable to (groups, A, tokens, tokens); None: nothing."""
        own = self.grouping.bias(bias, x, grid)
        order = self.order.bias(x, when, self.grouping, grid)
        if own is None or order is None:
            return order if own is None else own
        return own + order


class CrossAttention(Projections):
    """Video tokens look at the text."""

    def __init__(
        self, width: int, heads: int, *, norm: QueryKeyNorm = OVER_WIDTH, bias: bool = True
    ) -> None:
        super().__init__(width, heads, norm, bias=bias)

    def forward(self, x: Tensor, text: Tensor, bias: Tensor | None) -> Tensor:
        """Attend to the text.

        Args:
            x: video tokens, (B, N, D).
            text: text tokens, (B, L, D).
            bias: from `text_bias`, (B, 1, 1, L); None: all tokens are real.

        Returns:
            (B, N, D).
        """
        found = attend(*self.project(x, text), bias)
        result: Tensor = self.out(found.flatten(2))
        return result
