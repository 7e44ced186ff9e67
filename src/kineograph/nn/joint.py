"""Joint attention: tokens of several kinds look at each other as one sequence (Esser et al., 2024).

Each kind has projections of its own; the order of the kinds is the caller's.

Letters: B samples, N tokens, D width, A heads of size K.
"""

from torch import Tensor, nn

from kineograph.nn.attention import attend
from kineograph.nn.norm import RMSNorm
from kineograph.nn.rotary import Rotary


class HeadProjections(nn.Module):
    """Query, key and value of one kind of token; query and key normalised inside each head."""

    def __init__(self, width: int, heads: int, *, bias: bool = True, eps: float = 1e-6) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, width, bias=bias)
        self.value = nn.Linear(width, width, bias=bias)
        self.query_norm = RMSNorm(width // heads, eps)
        self.key_norm = RMSNorm(width // heads, eps)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, D) -> three of (B, N, A, K)."""
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)) for layer in (self.query, self.key, self.value)
        )
        return self.query_norm(query), self.key_norm(key), value


def attend_jointly(
    query: Tensor, key: Tensor, value: Tensor, rotary: Rotary, bias: Tensor | None
) -> Tensor:
    """Turn queries and keys, in float32, then attend.

    Args:
        query: of all kinds one after the other, (B, N, A, K).
        key: the same shape.
        value: the same shape.
        rotary: the place of each of the N tokens.
        bias: added to the scores, broadcastable to (B, A, N, N); None: all tokens are real.

    Returns:
        (B, N, D).
    """
    query, key = (rotary(x.float()).to(value.dtype) for x in (query, key))
    return attend(query, key, value, bias).flatten(2)
