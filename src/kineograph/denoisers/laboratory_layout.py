"""Switches of the laboratory's denoiser: which tokens see each other, and where a token is.

Letters: B samples; N video tokens of f frames, h rows and w columns; D width.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor

from kineograph.denoisers.sizes import kept_grid
from kineograph.nn.grouping import Full, Grouping, GroupSkip, PerFrame, PerSite, SingleSkip, Window
from kineograph.nn.rotary import AxisPositions, Rotary
from kineograph.types import Grid

# --- which tokens see each other ----------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Everywhere:
    """Every token sees every other one, in every block (Open-Sora 2.0, LTX-Video)."""

    kind: Literal["everywhere"] = "everywhere"

    def grouping(self, layer: int) -> Grouping:
        """Of a block, counted from 0."""
        return Full()

    def kept(self, keep: Tensor, grid: Grid) -> Grid:
        """How the tokens `keep` (B, N') of a grid lie; any will do."""
        return Grid(1, 1, keep.shape[1])


@dataclass(frozen=True, kw_only=True)
class Divided:
    """Blocks inside frames and blocks along time in turn ("2+1D"; Open-Sora 1.2, STIV)."""

    kind: Literal["divided"] = "divided"

    def grouping(self, layer: int) -> Grouping:
        """Of a block, counted from 0."""
        return PerSite() if layer % 2 else PerFrame()

    def kept(self, keep: Tensor, grid: Grid) -> Grid:
        """How the tokens `keep` (B, N') of a grid lie: the same places in whole frames."""
        return kept_grid(keep, grid)


@dataclass(frozen=True, kw_only=True)
class SkipWindow:
    """Skips and windows in turn, which Open-Sora Plan (2.2.2) compares Skiparse with."""

    kind: Literal["skip_window"] = "skip_window"
    stride: int = 4

    def grouping(self, layer: int) -> Grouping:
        """Of a block, counted from 0."""
        return Window(self.stride) if layer % 2 else SingleSkip(self.stride)

    def kept(self, keep: Tensor, grid: Grid) -> Grid:
        """How the tokens `keep` (B, N') of a grid lie: closer together."""
        return Grid(1, 1, keep.shape[1])


@dataclass(frozen=True, kw_only=True)
class Sparse:
    """Both Skiparse groupings in turn (Open-Sora Plan, 2.2.2)."""

    kind: Literal["sparse"] = "sparse"
    stride: int = 4

    def grouping(self, layer: int) -> Grouping:
        """Of a block, counted from 0."""
        return GroupSkip(self.stride) if layer % 2 else SingleSkip(self.stride)

    def kept(self, keep: Tensor, grid: Grid) -> Grid:
        """How the tokens `keep` (B, N') of a grid lie: closer together."""
        return Grid(1, 1, keep.shape[1])


Reach: TypeAlias = Everywhere | Divided | SkipWindow | Sparse

# --- where a token is ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Absolute:
    """Token frames, rows and columns, counted from 0."""

    kind: Literal["absolute"] = "absolute"
    facts: ClassVar[tuple[str, ...]] = ()

    def starts(self, grid: Grid, facts: Mapping[str, Tensor], device: torch.device) -> list[Tensor]:
        """The place of each token frame (f,), row (h,) and column (w,)."""
        return counted(grid, device)


@dataclass(frozen=True, kw_only=True)
class Fractional:
    """Shares of the clip itself, whatever its size (LTX-Video, Fig. 7b).

    The whole clip spans half a turn, from -pi/2 to pi/2, of the pair whose frequency is 1.
    """

    kind: Literal["fractional"] = "fractional"
    facts: ClassVar[tuple[str, ...]] = ()

    def starts(self, grid: Grid, facts: Mapping[str, Tensor], device: torch.device) -> list[Tensor]:
        """The place of each token frame (f,), row (h,) and column (w,)."""
        return [centred(steps / len(steps)) for steps in counted(grid, device)]


@dataclass(frozen=True, kw_only=True)
class RelativeFractional:
    """Seconds and pixels as shares of the largest ones (LTX-Video, 2.2.1, Fig. 7c).

    largest: seconds, pixel rows and pixel columns that count as 1. token: pixel frames, rows
    and columns from one token to the next.
    """

    kind: Literal["relative_fractional"] = "relative_fractional"
    facts: ClassVar[tuple[str, ...]] = ("fps",)
    largest: tuple[float, float, float] = (20.0, 2048.0, 2048.0)
    token: tuple[int, int, int] = (8, 32, 32)

    def starts(self, grid: Grid, facts: Mapping[str, Tensor], device: torch.device) -> list[Tensor]:
        """The place of each token frame (B, f), row (h,) and column (w,)."""
        steps = zip(counted(grid, device), self.token, strict=True)
        frames, rows, columns = (step * size for step, size in steps)
        seconds = frames / facts["fps"].float()[:, None]
        return [
            centred(one / most)
            for one, most in zip((seconds, rows, columns), self.largest, strict=True)
        ]


def counted(grid: Grid, device: torch.device) -> list[Tensor]:
    """Token frames (f,), rows (h,) and columns (w,), counted from 0."""
    sides = (grid.frames, grid.rows, grid.columns)
    return [torch.arange(side, dtype=torch.float32, device=device) for side in sides]


def centred(share: Tensor) -> Tensor:
    """[0, 1] -> [-pi/2, pi/2]."""
    return (2.0 * share - 1.0) * (math.pi / 2)


Coordinates: TypeAlias = Absolute | Fractional | RelativeFractional

# --- how it is told so --------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """Queries and keys are turned in every block."""

    kind: Literal["rotary"] = "rotary"

    def enter(self, x: Tensor, places: AxisPositions, positions: Tensor) -> Tensor:
        """Tokens (B, N, D), as they are."""
        return x

    def turn(self, places: AxisPositions, positions: Tensor) -> Rotary | None:
        """The table of tokens at positions (B or 1, 3, N)."""
        return places(positions)

    def channels(self, width: int, head_width: int) -> int:
        """Those that the axes share."""
        return head_width


@dataclass(frozen=True, kw_only=True)
class Added:
    """Sines and cosines are added to the tokens once (Vaswani et al., 1706.03762)."""

    kind: Literal["sinusoidal"] = "sinusoidal"

    def enter(self, x: Tensor, places: AxisPositions, positions: Tensor) -> Tensor:
        """Tokens (B, N, D) with the waves of their positions (B or 1, 3, N)."""
        waves = places(positions)
        return x + torch.cat((waves.sin, waves.cos), -1).squeeze(2).to(x.dtype)

    def turn(self, places: AxisPositions, positions: Tensor) -> Rotary | None:
        """Nothing is turned."""
        return None

    def channels(self, width: int, head_width: int) -> int:
        """Those that the axes share."""
        return width


Encoding: TypeAlias = Rotated | Added
