"""The transformer of LTX-Video: full attention over all latent cells, time for each of them.

HaCohen et al., "LTX-Video: Realtime Video Latent Diffusion" (2501.00103), 2.2 and 2.5.

Letters: B samples; C channels; F x H x W latent cells; N video tokens; L text tokens; D width;
A heads of size K; M entries of time per sample, each for N / M consecutive tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.denoisers.features import added, per_block
from kineograph.denoisers.sizes import token_grid
from kineograph.errors import ConfigError
from kineograph.nn.attention import CrossAttention, Detour, SelfAttention, text_bias
from kineograph.nn.dropping import pick
from kineograph.nn.embed import NumberEmbedding, fold, unfold
from kineograph.nn.mlp import MLP
from kineograph.nn.modulation import Modulation, OutModulation, SharedModulation
from kineograph.nn.norm import layer_norm, rms_norm
from kineograph.nn.rotary import FractionalPositions, Rising, Rotary, Spacing, grid_positions
from kineograph.nn.stem import ConvHead, ConvStem
from kineograph.types import Condition, Grid, OnDemand, Skip, TextEmbedding


@dataclass(frozen=True, kw_only=True)
class Local:
    """Convolutions of this width around the transformer, for small models."""

    width: int = 64


@dataclass(frozen=True, kw_only=True)
class LTXConfig:
    """An LTX transformer; the defaults are the published one with 1.9 billion parameters.

    text_width: of the text encoder's tokens. patch: p x p latent cells are one token.
    temporal_scale, spatial_scale: pixel frames and pixels of a latent cell.
    causal_positions: whether the first latent frame is a single pixel frame to the rotation
    (0.9.5 and later). max_positions: seconds, pixel rows and pixel columns that count as 1
    there. spacing: of the rotation's frequencies (4.3.2 compares both). time_scale: what time
    in [0, 1] is multiplied by. eps: of the blocks' norms. pooled_width: of the text's pooled
    vector, which then joins the time embedding; None: it is not read. local: convolutions
    around the transformer; None: none.
    """

    kind: Literal["ltx"] = "ltx"
    layers: int = 28
    heads: int = 32
    head_width: int = 64
    in_channels: int = 128
    out_channels: int = 128
    text_width: int = 4096
    mlp_ratio: int = 4
    patch: int = 1
    temporal_scale: int = 8
    spatial_scale: int = 32
    causal_positions: bool = False
    max_positions: tuple[float, float, float] = (20.0, 2048.0, 2048.0)
    theta: float = 10000.0
    spacing: Spacing = field(default_factory=Rising)
    time_scale: float = 1000.0
    eps: float = 1e-6
    pooled_width: int | None = None
    local: Local | None = None

    def __post_init__(self) -> None:
        if self.head_width % 2:
            raise ConfigError(
                f"head_width = {self.head_width}: expected an even number, because rotation "
                f"turns pairs of channels; nearest: {self.head_width + 1}"
            )

    @property
    def width(self) -> int:
        """D."""
        return self.heads * self.head_width

    def build(self) -> "LTX":
        """The module, randomly initialised."""
        return LTX(self)


class Block(nn.Module):
    """Look at the video, read the text, transform each token.

    Time shifts, scales and gates the first and the last branch. The text is read without
    norm, modulation or gate, as in PixArt-alpha.
    """

    def __init__(self, config: LTXConfig) -> None:
        super().__init__()
        width = config.width
        self.eps = config.eps
        self.modulation = Modulation(width, branches=2)
        self.attention = SelfAttention(width, config.heads)
        self.text_attention = CrossAttention(width, config.heads)
        self.mlp = MLP(width, config.mlp_ratio * width)

    def forward(self, x: Tensor, shared: "Shared", detour: Detour | None = None) -> Tensor:
        """Refine the video tokens once, (B, N, D) -> (B, N, D)."""
        look, transform = self.modulation(shared.modulation, x.dtype)
        entered = look.enter_(rms_norm(x, self.eps))
        x = look.leave_(x, self.attention(entered, shared.rotary, shared.grid, detour))
        x = x + self.text_attention(x, shared.text, shared.bias)
        result: Tensor = transform.leave_(x, self.mlp(transform.enter_(rms_norm(x, self.eps))))
        return result


@dataclass(frozen=True, eq=False)
class Shared:
    """What all blocks read: modulation (B, M, 6, D), text (B, L, D), bias (B, 1, 1, L)."""

    modulation: Tensor
    text: Tensor
    bias: Tensor | None
    rotary: Rotary
    grid: Grid


class LTX(nn.Module):
    """Predicts the velocity, noise - data, of each latent cell from cells at times of their own.

    Reads the text's tokens and mask, the fact `fps`, `layout.when`, `layout.keep` (cells that
    are not kept get 0) and `inside`.
    """

    clock: Literal["sample", "frame", "token"] = "token"
    reads_known: bool = False
    facts = ("fps",)

    def __init__(self, config: LTXConfig) -> None:
        super().__init__()
        self.config = config
        self.disturbable = config.layers
        width, cells = config.width, config.patch**2
        local = config.local
        self.stem = None if local is None else ConvStem(config.in_channels, local.width)
        self.head = None if local is None else ConvHead(local.width, config.out_channels)
        inputs = config.in_channels if local is None else local.width
        outputs = config.out_channels if local is None else local.width
        self.patch_in = nn.Linear(cells * inputs, width)
        self.time = NumberEmbedding(width)
        self.pooled = None if config.pooled_width is None else nn.Linear(config.pooled_width, width)
        self.modulation = SharedModulation(width, branches=2)
        self.text = MLP(config.text_width, width, width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.out_modulation = OutModulation(width)
        self.patch_out = nn.Linear(width, cells * outputs)
        self.places = FractionalPositions(
            largest=config.max_positions, theta=config.theta, spacing=config.spacing
        )
        self.initialise()

    def initialise(self) -> None:
        """Fresh weights that let every residual branch begin at zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for layer in (self.time.first, self.time.second, self.modulation.linear):
            nn.init.normal_(layer.weight, std=0.02)
        for block in self.blocks:
            assert isinstance(block, Block)
            nn.init.zeros_(block.modulation.table)
            nn.init.ones_(block.modulation.table[2::3])  # gates; the branches' last layers are 0
            for layer in (block.attention.out, block.text_attention.out, block.mlp.down):
                nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.out_modulation.table)
        if self.head is None:  # otherwise the head's last layer begins at zero
            nn.init.zeros_(self.patch_out.weight)

    def forward(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """Noisy latents to velocities.

        Args:
            x: (B, C, F, H, W); H and W are multiples of the patch.
            time: in [0, 1], broadcastable to (B, 1, F, H, W). A token of several cells has
                the time of its noisiest one.
            condition: text, facts and layout.

        Returns:
            (B, out_channels, F, H, W), in the dtype of the weights.
        """
        size = (x.shape[2], x.shape[3], x.shape[4])
        grid = token_grid(size, self.config.patch)
        stem = None if self.stem is None else self.stem(x)
        cells = fold(x if stem is None else stem, self.config.patch)
        places = self.positions(grid, condition, len(x))
        times = self._times(time, grid)
        inside, keep = condition.inside, condition.layout.keep
        features: Sequence[Tensor] = inside.features
        if keep is not None:
            features = OnDemand(
                lambda number: pick(inside.features[number], keep), range(len(features))
            )
            times = times.repeat_interleave(grid.size // times.shape[1], 1)
            times = times.expand(len(x), -1).gather(1, keep)
            cells = pick(cells, keep)
            places = places.expand(len(x), -1, -1).gather(2, keep[:, None].expand(-1, 3, -1))
        found = self.tokens(cells, places, times, condition.text, inside.skip, features)
        if keep is not None:
            index = keep[..., None].expand(-1, -1, found.shape[-1])
            found = found.new_zeros(len(x), grid.size, found.shape[-1]).scatter(1, index, found)
        found = unfold(found, self.config.patch, size)
        return found if self.head is None or stem is None else self.head(found, stem)

    def token_grid(self, size: tuple[int, int, int]) -> Grid:
        """How the tokens of F x H x W cells lie."""
        return token_grid(size, self.config.patch)

    def tokens(
        self,
        x: Tensor,
        positions: Tensor,
        time: Tensor,
        text: TextEmbedding,
        skip: Skip | None = None,
        features: Sequence[Tensor] = (),
    ) -> Tensor:
        """The transformer itself, on tokens that lie anywhere.

        Args:
            x: (B, N, C * p * p).
            positions: seconds, pixel row and pixel column of each token, (B or 1, 3, N).
            time: in [0, 1], (B or 1, M), where M divides N.
            text: tokens (B, L, text_width), mask and pooled.
            skip: self-attentions to disturb.
            features: what is added to each block's output, (B, N, D) each; none: nothing.

        Returns:
            (B, N, out_channels * p * p).
        """
        embedded = self.time(time.float() * self.config.time_scale)
        if self.pooled is not None and text.pooled is not None:
            embedded = embedded + self.pooled(text.pooled)[:, None]
        h = self.patch_in(x)
        rotary = self.places(positions, self.config.heads, self.config.head_width)
        shared = Shared(
            modulation=self.modulation(embedded),
            text=self.text(text.tokens),
            bias=text_bias(text.mask, h.dtype),
            rotary=rotary.to(h.dtype),
            grid=Grid(1, 1, x.shape[1]),
        )
        each = per_block(features, len(self.blocks))
        for layer, (block, feature) in enumerate(zip(self.blocks, each, strict=True)):
            h = added(_run(block, h, shared, skip, layer), feature)
        out = self.out_modulation(embedded, h.dtype)
        result: Tensor = self.patch_out(out.enter(layer_norm(h)))
        return result

    def positions(self, grid: Grid, condition: Condition, batch: int) -> Tensor:
        """Seconds, pixel row and pixel column of each token's first pixel, (B, 3, N)."""
        fps = condition.facts.get("fps")
        if fps is None:
            raise ConfigError(
                f"facts {sorted(condition.facts)}: expected 'fps', which LTX needs to place "
                "latent frames in seconds"
            )
        when = condition.layout.when
        if when is None:
            scale = self.config.temporal_scale
            when = scale * torch.arange(grid.frames, device=fps.device)[None]
            if self.config.causal_positions:
                when = (when + 1 - scale).clamp_min(0)
        seconds = when.float() * (1.0 / fps.float())[:, None]
        step = self.config.patch * self.config.spatial_scale
        rows, columns = (
            step * torch.arange(count, dtype=torch.float32, device=fps.device)
            for count in (grid.rows, grid.columns)
        )
        return grid_positions((seconds, rows, columns), batch)

    def _times(self, time: Tensor, grid: Grid) -> Tensor:
        """Broadcastable to (B, 1, F, H, W) -> (B or 1, M), as few entries as there are."""
        time = time.float()
        if time.shape[3:] != (1, 1) and torch.equal(time, time[..., :1, :1].expand_as(time)):
            time = time[..., :1, :1]  # whole frames share their time, as given frames do
        if time.shape[3:] == (1, 1):
            return time.flatten(1)
        patch = self.config.patch
        cells = time.expand(-1, -1, grid.frames, grid.rows * patch, grid.columns * patch)
        return functional.max_pool2d(cells[:, 0], patch).flatten(1)


def _run(block: nn.Module, x: Tensor, shared: Shared, skip: Skip | None, layer: int) -> Tensor:
    """One block, disturbed where a skip says so."""
    if skip is None:
        whole: Tensor = block(x, shared)
        return whole
    mask = skip.keep[layer].view(-1, 1, 1) == 0
    if skip.how == "block":
        return torch.where(mask, x, block(x, shared))
    disturbed: Tensor = block(x, shared, Detour(mask, skip.how))
    return disturbed
