"""How tokens lie: those of the latents that a denoiser with square patches can take, kept ones."""

from typing import NoReturn

import torch
from torch import Tensor
from torch.nn import functional

from kineograph.errors import ConfigError
from kineograph.nn.patches import Patch, Size
from kineograph.types import Grid


def token_grid(size: tuple[int, int, int], patch: int) -> Grid:
    """How the tokens of F x H x W latent cells lie.

    Args:
        size: F, H, W.
        patch: p; p x p cells are one token.

    Raises:
        ConfigError: H or W is no multiple of the patch.
    """
    frames, height, width = size
    if height % patch or width % patch:
        raise ConfigError(
            f"latents of {height} x {width} cells: expected multiples of the patch {patch}; "
            f"nearest: {-(-height // patch) * patch} x {-(-width // patch) * patch}"
        )
    return Grid(frames, height // patch, width // patch)


def kept_grid(keep: Tensor, grid: Grid) -> Grid:
    """How kept tokens lie that are to look around in their frame and along time.

    Args:
        keep: indices of the kept tokens, rising, (B, N').
        grid: how all tokens lie.

    Returns:
        Some frames of one row: rows and columns have gaps.

    Raises:
        ConfigError: a frame keeps other places than the next one.
    """
    sites = grid.rows * grid.columns
    frames, places = keep // sites, keep % sites
    count = int((frames[:1] == frames[:1, :1]).sum())  # places in a frame
    if keep.shape[1] % count == 0:
        frames, places = (part.view(len(keep), -1, count) for part in (frames, places))
        rising = bool((frames[:, 1:, 0] > frames[:, :-1, 0]).all())
        whole = torch.equal(frames, frames[..., :1].expand_as(frames))
        if rising and whole and torch.equal(places, places[:, :1].expand_as(places)):
            return Grid(frames.shape[1], 1, count)
    raise ConfigError(
        f"{keep.shape[1]} kept tokens of {grid.frames} frames: expected the same places in each "
        "frame that is kept, so that attention along time sees whole columns; drop places or "
        "frames ('spatial_dropping', 'temporal_dropping')"
    )


def every_token(kind: str) -> NoReturn:
    """Refuse to leave tokens out.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(
        f"token dropping with denoiser {kind!r}: expected none, because it sees every token; "
        "nearest: no dropping, or a denoiser that can do without some: 'laboratory', 'ltx', 'stiv'"
    )


def token_times(time: Tensor, patch: Patch, size: Size) -> Tensor:
    """Times broadcastable to (B, 1, F, H, W) -> those of tokens, (B or 1, 1 or N)."""
    time = time.float()
    if time[0].numel() == 1:
        return time.flatten(1)
    cells = time.expand(-1, -1, *size)
    frames, rows, columns = size
    ends = (0, -columns % patch.columns, 0, -rows % patch.rows, 0, -frames % patch.frames)
    kernel = (patch.frames, patch.rows, patch.columns)
    return functional.max_pool3d(functional.pad(cells, ends), kernel).flatten(1)
