"""The structure controller of Open-Sora Plan: edges, depth or a sketch steer any denoiser.

Lin et al., "Open-Sora Plan" (2412.00131), 2.3.2: an encoder makes one representation R of the
signal; a projector for each of the denoiser's M blocks makes of it what is added to that
block's output. Neither knows the time, so that one pass serves a whole sampling. There is no
public code.

Letters: B samples; T frames of Y x X pixels; C latent channels; F x H x W latent cells; N video
tokens; D width; M blocks of the denoiser.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.errors import ConfigError
from kineograph.nn.attention import NormHead, SelfAttention
from kineograph.nn.conv import Cache, CausalConv, in_chunks
from kineograph.nn.mlp import MLP
from kineograph.nn.norm import layer_norm
from kineograph.nn.patches import Patch
from kineograph.nn.rotary import AxisPositions, Rotary, grid_positions
from kineograph.types import Condition, Given, Grid, OnDemand

LEAST_HEAD = 6  # channels of a head of which each axis turns a pair


@dataclass(frozen=True, kw_only=True)
class StructureConfig:
    """A structure controller; the defaults fit the published Open-Sora Plan 1.3.

    width, blocks, patch, latent_channels: of the denoiser, D, M, latent frames, rows and columns
    of a token, and C. layers: K, transformer blocks of the encoder. hidden: channels of the
    convolutions. channels: of the signal. temporal_scale, spatial_scale: pixel frames and pixels
    of a latent cell, powers of two.
    """

    kind: Literal["structure"] = "structure"
    width: int = 2304
    blocks: int = 32
    patch: tuple[int, int, int] = (1, 2, 2)
    latent_channels: int = 8
    layers: int = 2
    heads: int = 24
    mlp_ratio: int = 4
    hidden: int = 64
    channels: int = 3
    temporal_scale: int = 4
    spatial_scale: int = 8
    theta: float = 10000.0

    def __post_init__(self) -> None:
        for name, scale in (("temporal", self.temporal_scale), ("spatial", self.spatial_scale)):
            if scale < 1 or scale & (scale - 1):
                raise ConfigError(
                    f"{name}_scale = {scale}: expected a power of two, because every convolution "
                    f"halves; nearest: {1 << max(scale, 1).bit_length() - 1}"
                )
        if self.temporal_scale > self.spatial_scale:
            raise ConfigError(
                f"temporal_scale = {self.temporal_scale}: expected at most the spatial scale; "
                f"nearest: {self.spatial_scale}"
            )
        head, rest = divmod(self.width, self.heads)
        if rest or head % 2 or head < LEAST_HEAD:
            raise ConfigError(
                f"width {self.width} in {self.heads} heads: expected heads of an even width of "
                f"{LEAST_HEAD} or more, because three axes turn pairs of channels"
            )

    @property
    def strides(self) -> tuple[tuple[int, int, int], ...]:
        """Of the convolutions that halve; the first ones halve time as well."""
        times = self.temporal_scale.bit_length() - 1
        count = self.spatial_scale.bit_length() - 1
        return tuple((2 if index < times else 1, 2, 2) for index in range(count))

    def build(self) -> "Structure":
        """The module, randomly initialised."""
        return Structure(self)


class Block(nn.Module):
    """Look at all tokens, transform each one; nothing is modulated, as there is no time."""

    def __init__(self, config: StructureConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.width, config.heads, norm=NormHead())
        self.mlp = MLP(config.width, config.mlp_ratio * config.width)

    def forward(self, x: Tensor, rotary: Rotary, grid: Grid) -> Tensor:
        """Refine the tokens once, (B, N, D) -> (B, N, D)."""
        x = x + self.attention(layer_norm(x), rotary, grid)
        result: Tensor = x + self.mlp(layer_norm(x))
        return result


class Structure(nn.Module):
    """What a signal adds to the output of each block of a denoiser.

    The projectors begin at zero: the denoiser first says exactly what it says alone. Any frames,
    or parts of them, may carry a signal. The convolutions look back in time only, so a few frames
    at a time lie in memory at full size; the features are made from R when blocks ask for them.
    """

    def __init__(self, config: StructureConfig) -> None:
        super().__init__()
        self.config = config
        width, hidden = config.width, config.hidden
        self.conv_in = CausalConv(config.channels + 1, hidden)  # with the mask of the signal
        self.halve = nn.ModuleList(CausalConv(hidden, hidden, stride=by) for by in config.strides)
        self.conv_out = CausalConv(hidden, config.latent_channels)
        self.patch = Patch(*config.patch)
        self.patch_in = nn.Linear(self.patch.cells * config.latent_channels, width)
        self.encoder = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.projectors = nn.ModuleList(nn.Linear(width, width) for _ in range(config.blocks))
        head = width // config.heads
        share = head // 6 * 2  # frames take what rows and columns leave
        self.places = AxisPositions(
            shares=(head - 2 * share, share, share), units=(1.0, 1.0, 1.0), theta=config.theta
        )
        for projector in self.projectors:
            assert isinstance(projector, nn.Linear)
            nn.init.zeros_(projector.weight)
            nn.init.zeros_(projector.bias)

    def forward(self, signal: Given) -> OnDemand:
        """A signal to features.

        Args:
            signal: frames (B, channels, T, Y, X) in [-1, 1], and where they are a signal, with
                which strength, (B, 1, T, Y, X) in [0, 1]; what is elsewhere is not seen.

        Returns:
            M features, (B, N, D) each, for `inside.features`.
        """
        seen = torch.cat((signal.frames * signal.strength, signal.strength), 1)
        represented = self.represent(seen)
        return OnDemand(
            lambda number: self.projectors[number](represented), range(len(self.projectors))
        )

    def represent(self, seen: Tensor) -> Tensor:
        """The representation R: masked signal and mask (B, channels + 1, T, Y, X) -> (B, N, D)."""
        pieces = torch.split(seen, self.config.temporal_scale, dim=2)
        x = in_chunks(self._halved, seen, [piece.shape[2] for piece in pieces])
        grid = self.patch.grid((x.shape[2], x.shape[3], x.shape[4]))
        h = self.patch_in(self.patch.split(x))
        sides = (grid.frames, grid.rows, grid.columns)
        starts = [torch.arange(side, device=h.device) for side in sides]
        rotary = self.places(grid_positions(starts, batch=1)).to(h.dtype)
        for block in self.encoder:
            h = block(h, rotary, grid)
        return layer_norm(h)

    def _halved(self, seen: Tensor, cache: Cache) -> Tensor:
        """Some frames of the masked signal and its mask to cells (B, C, F, H, W)."""
        x: Tensor = self.conv_in(seen, cache)
        for conv in self.halve:
            x = conv(functional.silu(x), cache)
        cells: Tensor = self.conv_out(functional.silu(x), cache)
        return cells

    def control(self, condition: Condition, signal: Given) -> Condition:
        """The same condition, with what the signal adds to the blocks."""
        return replace(condition, inside=replace(condition.inside, features=self(signal)))
