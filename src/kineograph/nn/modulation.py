"""Modulation: time shifts, scales and gates what a block does (DiT's adaLN).

In PixArt's form one linear layer per model makes the modulation of all blocks from the time
embedding, and each block adds a small table of its own (PixArt-alpha, 2.3, "adaLN-single").
In DiT's form (`Own...`) every block has its own linear layer.

Letters: B samples, N tokens, D width; M entries of time per sample, each of which serves
N / M consecutive tokens: 1 for the whole clip, F for each latent frame, N for each token.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Affine:
    """x * scale + shift, with (B, M, 1, D) each."""

    shift: Tensor
    scale: Tensor

    def enter(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        return torch.addcmul(self.shift, _runs(x, self.shift), self.scale).flatten(1, 2)

    def enter_(self, x: Tensor) -> Tensor:
        """`enter`, in the memory of x where no gradient is asked for: x is used up."""
        x = _runs(x, self.shift)
        return torch.addcmul(self.shift, x, self.scale, out=_spare(x)).flatten(1, 2)


@dataclass(frozen=True, eq=False)
class Branch(Affine):
    """A residual branch: shifted and scaled on its way in, gated on its way out."""

    gate: Tensor

    def leave(self, x: Tensor, change: Tensor) -> Tensor:
        """The branch's change (B, N, D) joins x: x + gate * change."""
        x, change = _runs(x, self.gate), _runs(change, self.gate)
        return torch.addcmul(x, self.gate, change).flatten(1, 2)

    def leave_(self, x: Tensor, change: Tensor) -> Tensor:
        """`leave`, in the memory of the change where no gradient is asked for."""
        x, change = _runs(x, self.gate), _runs(change, self.gate)
        return torch.addcmul(x, self.gate, change, out=_spare(change)).flatten(1, 2)


class SharedModulation(nn.Module):
    """The modulation of all blocks, from the time embedding."""

    def __init__(self, width: int, branches: int) -> None:
        super().__init__()
        self.branches = branches
        self.linear = nn.Linear(width, 3 * branches * width)

    def forward(self, time: Tensor) -> Tensor:
        """(B, M, D) -> (B, M, 3 * branches, D): rows are shift, scale and gate in turn."""
        rows = self.linear(functional.silu(time)).unflatten(-1, (3 * self.branches, -1))
        one = rows.new_tensor([0.0, 1.0, 0.0]).repeat(self.branches)  # scales are 1 + offset
        result: Tensor = rows + one[:, None]
        return result


class Modulation(nn.Module):
    """A block's own offsets to the modulation that all blocks share, in the same rows."""

    def __init__(self, width: int, branches: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(3 * branches, width))

    def forward(self, shared: Tensor, dtype: torch.dtype) -> tuple[Branch, ...]:
        """Modulation (B, M, 3 * branches, D) of all blocks -> the branches of this one.

        Args:
            shared: from `SharedModulation`.
            dtype: of the tokens that will be modulated.
        """
        rows = (shared + self.table).to(dtype).unsqueeze(2).unbind(3)  # of (B, M, 1, D)
        return tuple(Branch(*rows[i : i + 3]) for i in range(0, len(rows), 3))


class OutModulation(nn.Module):
    """Shift and scale before the last layer, from the time embedding itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(2, width))

    def forward(self, time: Tensor, dtype: torch.dtype) -> Affine:
        """Time embedding (B, M, D) -> one shift and scale."""
        shift, scale = self.table
        time = time.unsqueeze(2)
        return Affine((time + shift).to(dtype), (time + (1 + scale)).to(dtype))


class OwnModulation(nn.Module):
    """A block's modulation by a linear layer of its own (Peebles & Xie, 2212.09748, 3.2)."""

    def __init__(self, width: int, branches: int) -> None:
        super().__init__()
        self.rows = 3 * branches
        self.linear = nn.Linear(width, self.rows * width)

    def forward(self, time: Tensor, dtype: torch.dtype) -> tuple[Branch, ...]:
        """Time embedding (B, M, D) -> the branches; rows are shift, scale and gate in turn.

        Args:
            time: the embedding.
            dtype: of the tokens that will be modulated.
        """
        rows = self.linear(functional.silu(time)).to(dtype).unsqueeze(2).chunk(self.rows, -1)
        return tuple(
            Branch(shift, 1 + scale, gate)
            for shift, scale, gate in zip(rows[::3], rows[1::3], rows[2::3], strict=True)
        )


class OwnOutModulation(nn.Module):
    """Shift and scale before the last layer by a linear layer, as in DiT."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 2 * width)

    def forward(self, time: Tensor) -> Affine:
        """Time embedding (B, M, D) -> one shift and scale."""
        shift, scale = self.linear(functional.silu(time)).unsqueeze(2).chunk(2, -1)
        return Affine(shift, 1 + scale)


def _spare(x: Tensor) -> Tensor | None:
    """Memory for a result, that of x; none where its values may be needed for a gradient."""
    return None if torch.is_grad_enabled() else x


def _runs(x: Tensor, entries: Tensor) -> Tensor:
    """(B, N, D) -> (B, M, N / M, D)."""
    return x.reshape(len(x), entries.shape[1], -1, x.shape[-1])
