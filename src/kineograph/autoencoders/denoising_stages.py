"""The stages of the denoising autoencoder, as its config lists them.

A half of the autoencoder is a list of stages. Each knows how wide features are behind it and,
where it changes their size, by how much (`stride`): it divides in the encoder and multiplies
in the decoder.

Letters: C channels.
"""

import math
from dataclasses import dataclass
from typing import Literal

from torch import nn

from kineograph.autoencoders.denoising_blocks import (
    AttendedResidual,
    FoldDown,
    Half,
    Residual,
    Run,
    StraightUp,
    Stride,
    StridedDown,
    TimedRun,
    UnfoldUp,
)
from kineograph.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """Residual blocks; `noise`: with noise behind each convolution."""

    kind: Literal["residuals"] = "residuals"
    blocks: int
    noise: bool = False

    def build(self, width: int, half: Half) -> nn.Module:
        """The module; `width` C in front of it."""
        blocks = [Residual(width, width, half, noise=self.noise) for _ in range(self.blocks)]
        return TimedRun(width, blocks) if half.timed else Run(blocks)

    def behind(self, width: int) -> int:
        """Width behind the stage."""
        return width


@dataclass(frozen=True, kw_only=True)
class Attended:
    """Residual blocks with attention over the whole clip behind each; in no published file."""

    kind: Literal["attended"] = "attended"
    blocks: int
    head_width: int
    noise: bool = False

    def build(self, width: int, half: Half) -> nn.Module:
        """The module; `width` C in front of it.

        Raises:
            ConfigError: heads of this width do not fill C.
        """
        if width % self.head_width:
            raise ConfigError(f"head_width = {self.head_width}: expected a divisor of {width}")
        heads = width // self.head_width
        plain = [Residual(width, width, half, noise=self.noise) for _ in range(self.blocks)]
        blocks = [AttendedResidual(block, width, heads) for block in plain]
        return TimedRun(width, blocks) if half.timed else Run(blocks)

    def behind(self, width: int) -> int:
        """Width behind the stage."""
        return width


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One residual block to another width; never timed. `noise`: as for `Residuals`."""

    kind: Literal["transition"] = "transition"
    channels: int
    noise: bool = False

    def build(self, width: int, half: Half) -> nn.Module:
        """The module; `width` C in front of it."""
        return Run([Residual(width, self.channels, half, noise=self.noise)])

    def behind(self, width: int) -> int:
        """Width behind the stage."""
        return self.channels


@dataclass(frozen=True, kw_only=True)
class Strided:
    """Smaller by a convolution with a stride."""

    kind: Literal["strided"] = "strided"
    stride: Stride = (2, 2, 2)
    channels: int

    def build(self, width: int, half: Half) -> nn.Module:
        """The module; `width` C in front of it."""
        return StridedDown(width, self.channels, self.stride)

    def behind(self, width: int) -> int:
        """Width behind the stage."""
        return self.channels


@dataclass(frozen=True, kw_only=True)
class Folded:
    """Smaller by moving neighbours into channels, past a mean of the same."""

    kind: Literal["folded"] = "folded"
    stride: Stride = (2, 2, 2)
    channels: int

    def build(self, width: int, half: Half) -> nn.Module:
        """The module; `width` C in front of it.

        Raises:
            ConfigError: neighbours do not fit into so many channels.
        """
        cells = math.prod(self.stride)
        if self.channels % cells or width * cells % self.channels:
            raise ConfigError(
                f"channels = {self.channels} behind {width}: expected a multiple of {cells} "
                f"that divides {width * cells}"
            )
        return FoldDown(width, self.channels, self.stride, half)

    def behind(self, width: int) -> int:
        """Width behind the stage."""
        return self.channels


@dataclass(frozen=True, kw_only=True)
class Unfolded:
    """Larger by moving channels to neighbours; `straight`: past the same without weights."""

    kind: Literal["unfolded"] = "unfolded"
    stride: Stride = (2, 2, 2)
    channels: int
    straight: bool = False

    def build(self, width: int, half: Half) -> nn.Module:
        """The module; `width` C in front of it.

        Raises:
            ConfigError: the straight way cannot give so many channels.
        """
        cells = math.prod(self.stride)
        if self.straight and (width % cells or self.channels * cells % width):
            raise ConfigError(
                f"channels = {self.channels} straight behind {width}: expected {width} to be a "
                f"multiple of {cells}, and {self.channels} of {width} / {cells}"
            )
        up = UnfoldUp(width, self.channels, self.stride, half)
        return StraightUp(up) if self.straight else up

    def behind(self, width: int) -> int:
        """Width behind the stage."""
        return self.channels
