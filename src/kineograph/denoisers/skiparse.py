"""The transformer of Open-Sora Plan: dense blocks at both ends, sparse ones between them.

Lin et al., "Open-Sora Plan" (2412.00131), 2.2 ("Skiparse") and 2.4 (image conditions). A sparse
block looks at every k-th token, or at every k-th run of k tokens, in turn.

Letters: B samples; C channels; F x H x W latent cells; N video tokens; L text tokens; D width;
A heads of size K.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.denoisers.features import added, per_block
from kineograph.denoisers.sizes import every_token, token_grid
from kineograph.errors import ConfigError
from kineograph.nn.attention import CrossAttention, NoNorm, SelfAttention, text_bias, token_bias
from kineograph.nn.embed import NumberEmbedding, fold, unfold
from kineograph.nn.grouping import Full, Grouping, GroupSkip, SingleSkip
from kineograph.nn.mlp import MLP
from kineograph.nn.modulation import Modulation, OutModulation, SharedModulation
from kineograph.nn.norm import layer_norm
from kineograph.nn.rotary import AxisPositions, Rotary, grid_positions
from kineograph.types import Condition, Grid, Known


@dataclass(frozen=True, kw_only=True)
class SkiparseConfig:
    """A Skiparse transformer; the defaults are the published one with 2.8 billion parameters.

    text_width: of the text encoder's tokens. mask_channels: time factor of the mask that says
    what is given, see `Known`; 0: nothing can be given. patch: p x p latent cells are one token.
    stride: k, how sparse the sparse blocks are. sparse: first and last but one index of the
    sparse blocks. units: tokens that count as one step of rotation, for time, rows and columns.
    steps: of the noise table; time t is its entry steps * t - 1. bias: of query, key and value.
    """

    kind: Literal["skiparse"] = "skiparse"
    layers: int = 32
    heads: int = 24
    head_width: int = 96
    in_channels: int = 8
    out_channels: int = 8
    text_width: int = 4096
    mask_channels: int = 0
    mlp_ratio: int = 4
    patch: int = 2
    stride: int = 4
    sparse: tuple[int, int] = (2, 30)
    units: tuple[float, float, float] = (1.0, 1.0, 1.0)
    theta: float = 10000.0
    steps: int = 1000
    bias: bool = True
    eps: float = 1e-6

    def __post_init__(self) -> None:
        if self.head_width % 6:
            raise ConfigError(
                f"head_width = {self.head_width}: expected a multiple of 6, because three axes "
                f"turn pairs of channels; nearest: {-(-self.head_width // 6) * 6}"
            )

    @property
    def width(self) -> int:
        """D."""
        return self.heads * self.head_width

    def grouping(self, layer: int) -> Grouping:
        """Which tokens see each other in a block: even sparse blocks skip singly."""
        if not self.sparse[0] <= layer < self.sparse[1]:
            return Full()
        return GroupSkip(self.stride) if layer % 2 else SingleSkip(self.stride)

    def build(self) -> "Skiparse":
        """The module, randomly initialised."""
        return Skiparse(self)


@dataclass(frozen=True, eq=False)
class Shared:
    """What all blocks read.

    modulation (B, 1, 6, D); text (B, L, D); text_bias (B, 1, 1, L) and bias (B, N): what is
    added to the scores of text and video tokens, None: nothing.
    """

    modulation: Tensor
    text: Tensor
    text_bias: Tensor | None
    bias: Tensor | None
    rotary: Rotary
    grid: Grid


class Block(nn.Module):
    """Look at the video, read the text, transform each token.

    Time shifts, scales and gates the first and the last branch. The text is read without
    norm, modulation or gate, as in PixArt-alpha.
    """

    def __init__(self, config: SkiparseConfig, grouping: Grouping) -> None:
        super().__init__()
        width, heads, norm = config.width, config.heads, NoNorm()
        self.eps = config.eps
        self.modulation = Modulation(width, branches=2)
        self.attention = SelfAttention(width, heads, grouping=grouping, norm=norm, bias=config.bias)
        self.text_attention = CrossAttention(width, heads, norm=norm, bias=config.bias)
        self.mlp = MLP(width, config.mlp_ratio * width)

    def forward(self, x: Tensor, shared: Shared) -> Tensor:
        """Refine the video tokens once, (B, N, D) -> (B, N, D)."""
        look, transform = self.modulation(shared.modulation, x.dtype)
        entered = look.enter_(layer_norm(x, self.eps))
        found = self.attention(entered, shared.rotary, shared.grid, bias=shared.bias)
        x = look.leave_(x, found)
        x = x + self.text_attention(x, shared.text, shared.text_bias)
        result: Tensor = transform.leave_(x, self.mlp(transform.enter_(layer_norm(x, self.eps))))
        return result


class Guest(nn.Module):
    """A patch embedding for what is given; it begins at zero, so that nothing changes at first."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.patch = nn.Linear(channels, width)
        self.join = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Cells of a token, (B, N, channels) -> (B, N, D)."""
        result: Tensor = self.join(self.patch(x))
        return result


class Skiparse(nn.Module):
    """Predicts v, alpha * noise - sigma * data, of clips of one time each.

    Reads the text's tokens and mask, `layout.valid`, `inside.features`, and, with mask channels,
    `known`: the latents of the clip in which all that is not given is black.
    """

    clock: Literal["sample", "frame", "token"] = "sample"
    disturbable: int = 0
    facts = ()

    def __init__(self, config: SkiparseConfig) -> None:
        super().__init__()
        self.config = config
        self.reads_known = config.mask_channels > 0
        width, cells = config.width, config.patch**2
        self.patch_in = nn.Linear(cells * config.in_channels, width)
        if config.mask_channels:
            self.known_in = Guest(cells * config.in_channels, width)
            self.mask_in = Guest(cells * config.mask_channels, width)
        self.time = NumberEmbedding(width)
        self.modulation = SharedModulation(width, branches=2)
        self.text = MLP(config.text_width, width, width)
        self.blocks = nn.ModuleList(
            Block(config, config.grouping(layer)) for layer in range(config.layers)
        )
        self.out_modulation = OutModulation(width)
        self.patch_out = nn.Linear(width, cells * config.out_channels)
        share = config.head_width // 3
        self.places = AxisPositions(
            shares=(share, share, share), units=config.units, theta=config.theta
        )
        self.initialise()

    def initialise(self) -> None:
        """Fresh weights; what is given has no influence at first."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for layer in (self.time.first, self.time.second, self.modulation.linear):
            nn.init.normal_(layer.weight, std=0.02)
        for table in self.modules():
            if isinstance(table, Modulation | OutModulation):
                nn.init.normal_(table.table, std=self.config.width**-0.5)
            if isinstance(table, Guest):
                nn.init.zeros_(table.join.weight)
        nn.init.zeros_(self.patch_out.weight)

    def forward(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """Noisy latents to v.

        Args:
            x: (B, C, F, H, W); H and W are multiples of the patch.
            time: in [0, 1], (B or 1, 1, 1, 1, 1).
            condition: text, layout and what is known.

        Returns:
            (B, out_channels, F, H, W), in the dtype of the weights.
        """
        size = (x.shape[2], x.shape[3], x.shape[4])
        grid = token_grid(size, self.config.patch)
        h = self._enter(x, condition.known)
        embedded = self.time(time.reshape(-1, 1) * self.config.steps - 1).expand(len(x), -1, -1)
        shared = Shared(
            modulation=self.modulation(embedded),
            text=self.text(condition.text.tokens),
            text_bias=text_bias(condition.text.mask, h.dtype),
            bias=token_bias(self._valid(condition.layout.valid), h.dtype),
            rotary=self._rotary(grid, x.device).to(h.dtype),
            grid=grid,
        )
        features = per_block(condition.inside.features, len(self.blocks))
        for block, feature in zip(self.blocks, features, strict=True):
            h = added(block(h, shared), feature)
        out = self.out_modulation(embedded, h.dtype)
        return unfold(self.patch_out(out.enter(layer_norm(h))), self.config.patch, size)

    def token_grid(self, size: tuple[int, int, int]) -> Grid:
        """Refused: every token is needed."""
        every_token("skiparse")

    def _enter(self, x: Tensor, known: Known | None) -> Tensor:
        """Latents (B, C, F, H, W) and what is known of them as tokens, (B, N, D)."""
        patch = self.config.patch
        tokens: Tensor = self.patch_in(fold(x, patch))
        if not self.config.mask_channels:
            return tokens
        if known is None or known.strength.shape[1] != self.config.mask_channels:
            found = "nothing" if known is None else f"{known.strength.shape[1]} mask channels"
            raise ConfigError(
                f"{found} known: expected latents and a mask of {self.config.mask_channels} "
                "channels, also where nothing is given; use the injection `masked_video`"
            )
        missing = 1.0 - known.strength  # the network reads what is to be generated
        tokens += self.known_in(fold(known.latents, patch))
        tokens += self.mask_in(fold(missing, patch))
        return tokens

    def _valid(self, valid: Tensor | None) -> Tensor | None:
        """Cells that exist, (B, 1, F, H, W) -> tokens with at least one of them, (B, N)."""
        if valid is None:
            return None
        return functional.max_pool2d(valid[:, 0].float(), self.config.patch).flatten(1)

    def _rotary(self, grid: Grid, device: torch.device) -> Rotary:
        sides = (grid.frames, grid.rows, grid.columns)
        starts = [torch.arange(side, device=device) for side in sides]
        return self.places(grid_positions(starts, batch=1))
