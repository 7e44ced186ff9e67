"""Sites: sines and cosines of a token's row and column, added to the token once (MAE, DiT).

Letters: B samples, D width, n numbers.
"""

import torch
from torch import Tensor


def plain_waves(numbers: Tensor, width: int, precision: torch.dtype = torch.float32) -> Tensor:
    """Sines and then cosines at frequencies that fall from 1 to almost 1 / 10000.

    Args:
        numbers: (..., n).
        width: even.
        precision: the frequencies are rounded to it, as they are where a model that keeps
            them is cast to half precision.

    Returns:
        (..., n, width) in float32.
    """
    steps = torch.arange(0, width, 2, dtype=torch.float32, device=numbers.device)
    frequencies = (1.0 / 10000.0 ** (steps / width)).to(precision).float()
    angles = numbers.float().unsqueeze(-1) * frequencies
    return torch.cat((angles.sin(), angles.cos()), -1)


def site_waves(
    rows: Tensor, columns: Tensor, width: int, precision: torch.dtype = torch.float32
) -> Tensor:
    """One vector for each site of a frame, columns fastest: half of it says the column.

    Args:
        rows: coordinates of the rows, (B, rows).
        columns: coordinates of the columns, (B, columns).
        width: D, a multiple of 4.
        precision: as for `plain_waves`.

    Returns:
        (B, rows * columns, D), the column's waves first.
    """
    size = (len(rows), rows.shape[1], columns.shape[1], width // 2)
    across = plain_waves(columns, width // 2, precision).unsqueeze(1).expand(size)
    down = plain_waves(rows, width // 2, precision).unsqueeze(2).expand(size)
    return torch.cat((across, down), -1).flatten(1, 2)


def spread(rows: int, columns: int, scale: Tensor, base: float) -> tuple[Tensor, Tensor]:
    """Coordinates that let a frame of any size span what `base` x `base` sites span.

    Args:
        rows: the number of rows of sites.
        columns: the number of columns.
        scale: what coordinates are divided by, (B,).
        base: the side of a square frame with as many sites; fewer rows lie wider apart.

    Returns:
        Coordinates of the rows (B, rows) and of the columns (B, columns).
    """
    down, across = (
        torch.arange(count, dtype=torch.float32, device=scale.device)
        / scale.float().unsqueeze(-1)
        * (base / count)
        for count in (rows, columns)
    )
    return down, across
