"""The two-layer network of a transformer block."""

from torch import Tensor, nn
from torch.nn import functional


class MLP(nn.Module):
    """Up, GELU (its tanh form), down; `outputs` is `inputs` unless it is given."""

    def __init__(self, inputs: int, hidden: int, outputs: int | None = None) -> None:
        super().__init__()
        self.up = nn.Linear(inputs, hidden)
        self.down = nn.Linear(hidden, inputs if outputs is None else outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        x = functional.gelu(self.up(x), approximate="tanh")
        result: Tensor = self.down(x)
        return result
