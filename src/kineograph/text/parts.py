"""What text encoders share: tables of vectors, and attention in which tokens look at each other.

Letters: B prompts, L tokens, D width, A heads of size K.
"""

import math

import torch
from torch import Tensor, nn

from kineograph.nn.attention import attend


def table(rows: int, width: int, deviation: float = 1.0) -> Tensor:
    """Fresh vectors, (rows, width), of a standard deviation.

    Even numbers, not normal ones: a large encoder is made without memory first, where torch
    takes seconds to prepare for normal numbers.
    """
    bound = math.sqrt(3.0) * deviation
    return nn.init.uniform_(torch.empty(rows, width), -bound, bound)


class TextAttention(nn.Module):
    """Query, key, value and output; the heads may be wider or narrower than D together.

    bias: whether the four layers have one. gain: multiplies the scores, which are divided by the
    root of K.
    """

    def __init__(
        self, width: int, heads: int, head: int, *, bias: bool = True, gain: float = 1.0
    ) -> None:
        super().__init__()
        self.heads = heads
        self.gain = gain
        self.query = nn.Linear(width, heads * head, bias=bias)
        self.key = nn.Linear(width, heads * head, bias=bias)
        self.value = nn.Linear(width, heads * head, bias=bias)
        self.out = nn.Linear(heads * head, width, bias=bias)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """(B, L, D) -> (B, L, D).

        Args:
            x: tokens, (B, L, D).
            bias: added to the scores, broadcastable to (B, A, L, L).
        """
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)) for layer in (self.query, self.key, self.value)
        )
        found = attend(query * self.gain, key, value, bias)
        result: Tensor = self.out(found.flatten(2))
        return result
