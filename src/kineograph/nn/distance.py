"""How many blocks a token needs to hear of another: the average attention distance.

Lin et al., "Open-Sora Plan" (2412.00131), 2.2.3, which compares attentions by it: the nearer to
1, the more a sparse attention is like a full one. N is the number of tokens.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from kineograph.nn.grouping import Grouping
from kineograph.types import Grid


def divided(grid: Grid) -> float:
    """Blocks per frame and per site in turn ("2+1D")."""
    return 2 - 1 / grid.frames - 1 / (grid.rows * grid.columns)


def skip_and_window(grid: Grid, stride: int) -> float:
    """Skipping blocks, and windows of `stride` tokens, in turn (eq. 9)."""
    return 2 - 1 / stride - stride / grid.size


def skiparse(grid: Grid, stride: int) -> float:
    """Both Skiparse groupings in turn (eq. 10); `distances` gives the same where N divides."""
    return skiparse_limit(stride) - 1 / grid.size


def skiparse_limit(stride: int) -> float:
    """`skiparse` of endlessly many tokens."""
    return 2 - 2 / stride + 1 / stride**2


def distances(groupings: Sequence[Grouping], grid: Grid) -> Tensor:
    """The least number of blocks from each token to each other, whatever their order.

    Args:
        groupings: of the blocks; together they connect all tokens.
        grid: how the N tokens lie in time and space.

    Returns:
        (N, N) integers, 0 from a token to itself.

    Raises:
        ValueError: some tokens never meet.
    """
    count = grid.size
    near = torch.eye(count)
    for grouping in groupings:
        for group in grouping.split(torch.arange(1, count + 1)[None], grid):
            tokens = group[group > 0] - 1  # padding is 0
            near[tokens[:, None], tokens] = 1
    reached = torch.eye(count)
    found = torch.zeros(count, count, dtype=torch.long)
    while not bool(reached.all()):
        further = ((reached @ near) > 0).float()
        if torch.equal(further, reached):
            raise ValueError("these groupings do not connect all tokens")
        found += (reached == 0).long()
        reached = further
    return found
