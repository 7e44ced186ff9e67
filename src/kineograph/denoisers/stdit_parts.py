"""What the three generations of STDiT share: sizes, captions, times of frames, the last layer.

Letters: B samples; F frames of tokens; N video tokens; L text tokens; D width; M entries of time
per sample, 1 or F.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.denoisers.sizes import every_token
from kineograph.errors import ConfigError
from kineograph.nn.embed import NumberEmbedding
from kineograph.nn.mlp import MLP
from kineograph.nn.modulation import OutModulation, SharedModulation
from kineograph.nn.norm import layer_norm
from kineograph.nn.patches import Patch
from kineograph.nn.rotary import Rotary
from kineograph.nn.sites import site_waves, spread
from kineograph.types import Grid, TextEmbedding

TIMES = 1000.0  # the embedding of time in [0, 1] sees it multiplied by this


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What every generation's config says.

    out_channels: the first half is the prediction, the rest is never used. text_width,
    text_length: of the text encoder's tokens and of the null caption. patch: latent frames,
    rows and columns of a token.
    """

    layers: int = 28
    heads: int = 16
    head_width: int = 72
    in_channels: int = 4
    out_channels: int = 8
    text_width: int = 4096
    text_length: int = 300
    mlp_ratio: float = 4.0
    patch: tuple[int, int, int] = (1, 2, 2)

    def __post_init__(self) -> None:
        if self.head_width % 2 or self.width % 4:
            raise ConfigError(
                f"{self.heads} heads of {self.head_width} channels: expected even heads and a "
                "width that is a multiple of 4, because positions are pairs of channels"
            )

    @property
    def width(self) -> int:
        """D."""
        return self.heads * self.head_width


@dataclass(frozen=True, eq=False)
class Times:
    """The times of frames.

    moving: in [0, 1], (B or 1, M); where a frame is held, the time of its clip.
    held: true where a frame is known and stays, (B or 1, F); None: all move.
    """

    moving: Tensor
    held: Tensor | None = None

    def choose(self, moving: Tensor, still: Tensor) -> Tensor:
        """Vectors (B, M, D) of the frames that move, (B, 1, D) of held ones -> (B, 1 or F, D)."""
        if self.held is None:
            return moving
        return torch.where(self.held.unsqueeze(-1), still, moving)


def frame_times(time: Tensor, patch: int = 1) -> Times:
    """Times broadcastable to (B, 1, F, 1, 1) as those of frames of tokens.

    Args:
        time: in [0, 1]. Frames at time 0 are held where the times tell frames apart; the clip's
            time is that of its noisiest frame.
        patch: latent frames of a token; it has the time of the noisiest one.

    Raises:
        ConfigError: cells of one frame have different times.
    """
    time = time.float()
    if time.shape[3:] != (1, 1) and not torch.equal(time, time[..., :1, :1].expand_as(time)):
        raise ConfigError(
            f"times of shape {tuple(time.shape)}: expected one per frame, as this denoiser's clock "
            "is frame; give whole frames, or use a denoiser whose clock is token"
        )
    frames = time[:, 0, :, 0, 0]
    if frames.shape[1] == 1:
        return Times(frames)
    frames = functional.pad(frames, (0, -frames.shape[1] % patch))
    frames = frames.reshape(len(frames), -1, patch).amax(2)
    held = frames == 0
    return Times(torch.where(held, frames.amax(1, keepdim=True), frames), held)


class Captions(MLP):
    """Reads captions, and keeps the one that says nothing.

    The null caption is a table in the text encoder's own space, not the encoding of an empty
    prompt; it takes the place of a caption before the layers.
    """

    def __init__(self, text_width: int, length: int, width: int) -> None:
        super().__init__(text_width, width, width)
        self.register_buffer("null", torch.randn(length, text_width) / text_width**0.5)

    def empty(self, like: TextEmbedding) -> TextEmbedding:
        """The null caption for each row of `like`, with the same tokens masked."""
        null = self.null
        assert isinstance(null, Tensor)
        samples, length = like.tokens.shape[:2]
        if length > len(null):
            raise ConfigError(f"captions of {length} tokens: expected {len(null)} at most")
        return replace(like, tokens=null[:length].expand(samples, -1, -1), cut=())


class LastLayer(nn.Module):
    """Tokens to patches; shifted and scaled by time, held frames by the clip's and by 0."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.modulation = OutModulation(width)
        self.out = nn.Linear(width, outputs)

    def forward(self, x: Tensor, times: Times, moving: Tensor, still: Tensor) -> Tensor:
        """Video tokens to what a patch holds.

        Args:
            x: (B, N, D).
            times: which frames are held.
            moving: time embedding of frames that move, (B, M, D).
            still: time embedding of held frames, (B, 1, D).

        Returns:
            (B, N, outputs).
        """
        x = self.modulation(moving, x.dtype).enter(layer_norm(x))
        if times.held is not None:
            again = self.modulation(still, x.dtype).enter(layer_norm(x))
            tokens = times.held.repeat_interleave(x.shape[1] // times.held.shape[1], 1)
            x = torch.where(tokens.unsqueeze(-1), again, x)
        result: Tensor = self.out(x)
        return result


class Outside(nn.Module):
    """What lies around the blocks of every generation."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.patch = Patch(*sizes.patch)
        width, cells = sizes.width, self.patch.cells
        self.patch_in = nn.Linear(cells * sizes.in_channels, width)
        self.time = NumberEmbedding(width)
        self.modulation = SharedModulation(width, branches=2)
        self.captions = Captions(sizes.text_width, sizes.text_length, width)
        self.last = LastLayer(width, cells * sizes.out_channels)

    def token_grid(self, size: tuple[int, int, int]) -> Grid:
        """Refused: every token is needed."""
        every_token("stdit")

    def embed_times(self, times: Times) -> tuple[Tensor, Tensor]:
        """Of frames that move (B or 1, M, D), and of time 0 (B or 1, 1, D)."""
        moving = self.time(TIMES * times.moving)
        return moving, self.time(torch.zeros_like(times.moving[:, :1]))

    def place(self, x: Tensor, sites: Tensor, grid: Grid) -> Tensor:
        """Tokens (B, N, D) with the vectors of sites (B or 1, rows * columns, D) added."""
        return (x.reshape(len(x), grid.frames, -1, x.shape[2]) + sites.to(x)[:, None]).flatten(1, 2)

    def read(self, text: TextEmbedding) -> TextEmbedding:
        """Tokens (B, L, text_width) -> (B, L, D)."""
        return replace(text, tokens=self.captions(text.tokens))


def frequencies(head_width: int) -> Tensor:
    """How fast each pair of a head turns from frame to frame, (K/2,)."""
    steps = torch.arange(0, head_width, 2, dtype=torch.float32)
    return 10000.0 ** -(steps / head_width)


def frame_turns(frequencies: Tensor, grid: Grid) -> Rotary:
    """The rotation of each token by its frame, (1, N, 1, K/2)."""
    frames = torch.arange(grid.frames, device=frequencies.device)
    angles = frames.float()[:, None] * frequencies.float()
    angles = angles.repeat_interleave(grid.rows * grid.columns, 0)[None, :, None]
    return Rotary(angles.cos(), angles.sin())


def site_table(
    grid: Grid, facts: Mapping[str, Tensor], width: int, side: int, dtype: torch.dtype
) -> Tensor:
    """Vectors of the sites of a frame of any size, (B, rows * columns, D).

    Args:
        grid: how tokens lie.
        facts: height and width in pixels, (B,) each.
        width: D.
        side: a square of so many pixels on each side has sites that lie one apart.
        dtype: of the model.
    """
    pixels = fact(facts, "height").float() * fact(facts, "width").float()
    base = round(math.sqrt(grid.rows * grid.columns))
    rows, columns = spread(grid.rows, grid.columns, pixels.sqrt() / side, base)
    return site_waves(rows, columns, width, dtype)


def fact(facts: Mapping[str, Tensor], name: str) -> Tensor:
    """A fact, (B,).

    Raises:
        ConfigError: it is missing.
    """
    if name not in facts:
        raise ConfigError(f"facts {sorted(facts)}: expected {name!r}, which STDiT reads")
    return facts[name]
