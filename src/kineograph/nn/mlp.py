"""The two-layer network of a transformer block."""

from torch import Tensor, nn

from kineograph.nn.linear import Linear, gelu_of


class MLP(nn.Module):
    """Up, GELU (its tanh form), down; `outputs` is `inputs` unless it is given."""

    def __init__(self, inputs: int, hidden: int, outputs: int | None = None) -> None:
        super().__init__()
        self.up = Linear(inputs, hidden)
        self.down = Linear(hidden, inputs if outputs is None else outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        result: Tensor = self.down(gelu_of(self.up, x))
        return result
