"""The transformer of STIV: attention along space, then along time, between norms.

Lin et al., "STIV: Scalable Text and Image Conditioned Video Generation" (2412.07730), 2.1 and
2.2. There is no public code; what the paper leaves open follows PixArt-alpha, its base.

Letters: B samples; C channels; F x H x W latent cells; N video tokens; L text tokens; D width;
A heads of size K.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from kineograph.denoisers.features import added, per_block
from kineograph.denoisers.sizes import kept_grid
from kineograph.errors import ConfigError
from kineograph.nn.attention import CrossAttention, NormHead, SelfAttention, text_bias
from kineograph.nn.dropping import Gaps, pick
from kineograph.nn.embed import NumberEmbedding
from kineograph.nn.grouping import PerFrame, PerSite
from kineograph.nn.mlp import MLP
from kineograph.nn.modulation import Branch, Modulation, OutModulation, SharedModulation
from kineograph.nn.norm import layer_norm
from kineograph.nn.patches import Patch
from kineograph.nn.rotary import AxisPositions, Rotary, grid_positions
from kineograph.types import Condition, Grid


@dataclass(frozen=True, kw_only=True)
class STIVConfig:
    """A STIV transformer; the defaults are the published XL (Table 1).

    channels: of the latents, C. whole_layers: further blocks behind the others, which see every
    token even where tokens are dropped. text_width, pooled_width: of the text's tokens and of
    its pooled vector. patch, time_patch: patch x patch cells of so many latent frames are a token.
    micro: the facts that are told with the time. stretch: how much longer than the grid it was
    trained on a model's frames, rows and columns have become; positions are interpolated by it.
    time_scale: what time in [0, 1] is multiplied by. eps: of the norms; head_eps: of those of
    queries and keys.
    """

    kind: Literal["stiv"] = "stiv"
    layers: int = 28
    whole_layers: int = 2
    heads: int = 18
    head_width: int = 64
    channels: int = 8
    text_width: int = 1280
    pooled_width: int = 1280
    mlp_ratio: float = 4.0
    patch: int = 2
    time_patch: int = 2
    micro: tuple[str, ...] = ("height", "width", "crop_top", "crop_left", "stride")
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)
    theta: float = 10000.0
    time_scale: float = 1000.0
    eps: float = 1e-6
    head_eps: float = 1e-6

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

    @property
    def cells(self) -> Patch:
        """The latent cells of one token."""
        return Patch(self.time_patch, self.patch, self.patch)

    def build(self) -> "STIV":
        """The module, randomly initialised."""
        return STIV(self)


XL = STIVConfig()
XXL = STIVConfig(layers=38, heads=24)
M = STIVConfig(layers=46, heads=48)


@dataclass(frozen=True, eq=False)
class Places:
    """How the tokens lie, and how far each is turned; None: not at all."""

    grid: Grid
    space: Rotary | None = None
    time: Rotary | None = None


@dataclass(frozen=True, eq=False)
class Shared:
    """What all blocks read: modulation (B, 1, 6, D), text (B, L, D), bias (B, 1, 1, L)."""

    modulation: Tensor
    text: Tensor
    bias: Tensor | None
    places: Places


class Block(nn.Module):
    """Look around in the frame, look along time, read the text, transform each token.

    Both looks and the transformation stand between two norms without weights (2.2). Only the
    first look and the transformation are modulated: modulating the look along time is worse
    (Table 19). It has a gate that begins at zero instead, so that a model that was trained on
    images first says about each frame what it said about images.
    """

    def __init__(self, config: STIVConfig) -> None:
        super().__init__()
        width, heads, norm = config.width, config.heads, NormHead(config.head_eps)
        self.eps = config.eps
        self.modulation = Modulation(width, branches=2)
        self.space = SelfAttention(width, heads, grouping=PerFrame(), norm=norm)
        self.time = SelfAttention(width, heads, grouping=PerSite(), norm=norm)
        self.time_gate = nn.Parameter(torch.zeros(width))
        self.text_attention = CrossAttention(width, heads, norm=norm)
        self.mlp = MLP(width, round(config.mlp_ratio * width))

    def forward(self, x: Tensor, shared: Shared) -> Tensor:
        """Refine the video tokens once, (B, N, D) -> (B, N, D)."""
        look, transform = self.modulation(shared.modulation, x.dtype)
        x = self.look(x, look, shared.places)
        if shared.places.grid.frames > 1:  # an image has no time to look along (2.1)
            x = self.look_along_time(x, shared.places)
        x = x + self.text_attention(x, shared.text, shared.bias)
        return self.transform(x, transform)

    def look(self, x: Tensor, branch: Branch, places: Places) -> Tensor:
        """Return x + gate * norm(attention(scale * norm(x) + shift)), (B, N, D)."""
        entered = branch.enter(layer_norm(x, self.eps))
        found = self.space(entered, places.space, places.grid)
        return branch.leave(x, layer_norm(found, self.eps))

    def look_along_time(self, x: Tensor, places: Places) -> Tensor:
        """Return x + gate * norm(attention(norm(x))), (B, N, D)."""
        found = self.time(layer_norm(x, self.eps), places.time, places.grid)
        return torch.addcmul(x, self.time_gate, layer_norm(found, self.eps))

    def transform(self, x: Tensor, branch: Branch) -> Tensor:
        """Return x + gate * norm(mlp(scale * norm(x) + shift)), (B, N, D)."""
        found = self.mlp(branch.enter(layer_norm(x, self.eps)))
        return branch.leave(x, layer_norm(found, self.eps))


class STIV(nn.Module):
    """Predicts the velocity, noise - data, of each latent cell; one time for the whole clip.

    Reads the text's tokens, mask and pooled vector, the facts that its config lists,
    `inside.features`, and `layout.keep`: the tokens that the main blocks see, the same places in
    every kept frame, rising; all cells are predicted nevertheless. Given frames are in x itself.
    """

    clock: Literal["sample", "frame", "token"] = "sample"
    reads_known: bool = False
    disturbable: int = 0

    def __init__(self, config: STIVConfig) -> None:
        super().__init__()
        self.config = config
        width, numbers = config.width, config.cells.cells * config.channels
        self.facts = config.micro
        self.patch_in = nn.Linear(numbers, width)
        self.time = NumberEmbedding(width)
        self.pooled = nn.Linear(config.pooled_width, width)
        self.micro = nn.ModuleDict({name: NumberEmbedding(width) for name in config.micro})
        self.modulation = SharedModulation(width, branches=2)
        self.text = MLP(config.text_width, width, width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.gaps = Gaps(width)
        self.whole_blocks = nn.ModuleList(Block(config) for _ in range(config.whole_layers))
        self.out_modulation = OutModulation(width)
        self.patch_out = nn.Linear(width, numbers)
        frames, rows, columns = config.stretch
        half = config.head_width // 4 * 2  # rows take the odd pair where there is one
        self.in_space = AxisPositions(
            shares=(config.head_width - half, half), units=(rows, columns), theta=config.theta
        )
        self.in_time = AxisPositions(
            shares=(config.head_width,), units=(frames,), theta=config.theta
        )
        self.initialise()

    def initialise(self) -> None:
        """Fresh weights that let every block begin as the identity, and the result at zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for module in self.modules():  # after the loop above, which also sees their layers
            if isinstance(module, NumberEmbedding):
                nn.init.normal_(module.first.weight, std=0.02)
                nn.init.normal_(module.second.weight, std=0.02)
            elif isinstance(module, CrossAttention):
                nn.init.zeros_(module.out.weight)
        nn.init.zeros_(self.modulation.linear.weight)
        nn.init.zeros_(self.patch_out.weight)

    def forward(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """Noisy latents to velocities.

        Args:
            x: (B, C, F, H, W). Where the temporal patch does not divide F, as in an image, the
                last frame stands for those that are missing.
            time: in [0, 1], one per sample, broadcastable to (B, 1, 1, 1, 1).
            condition: text, facts and layout.

        Returns:
            (B, C, F, H, W), in the dtype of the weights.
        """
        if time.numel() != len(time):
            raise ConfigError(
                f"times of shape {tuple(time.shape)}: expected one per sample; use an injection "
                "that leaves it so, such as 'replaced_frames'"
            )
        cells, size = self.config.cells, (x.shape[2], x.shape[3], x.shape[4])
        missing = -size[0] % cells.frames
        whole = torch.cat((x, x[:, :, -1:].expand(-1, -1, missing, -1, -1)), 2)
        found = self._tokens(cells.split(whole), cells.grid(size), time, condition)
        # The paper's velocity leads from noise to data, ours from data to noise.
        return -cells.merge(found, size)

    def token_grid(self, size: tuple[int, int, int]) -> Grid:
        """How the tokens of F x H x W cells lie."""
        return self.config.cells.grid(size)

    def _tokens(self, x: Tensor, grid: Grid, time: Tensor, condition: Condition) -> Tensor:
        """The transformer itself: cells as tokens, (B, N, cells * C) -> the same shape."""
        starts = [
            torch.arange(count, device=x.device) for count in (grid.frames, grid.rows, grid.columns)
        ]
        positions = grid_positions(starts, 1)
        singleton = self.singleton(time.flatten(), condition)[:, None]
        h = self.patch_in(x)
        shared = Shared(
            modulation=self.modulation(singleton),
            text=self.text(condition.text.tokens),
            bias=text_bias(condition.text.mask, h.dtype),
            places=self._places(positions, grid, h.dtype),
        )
        keep, main = condition.layout.keep, len(self.blocks)
        each = per_block(condition.inside.features, main + len(self.whole_blocks))
        if keep is None:
            h = _through(self.blocks, h, shared, each[:main])
        else:
            some = kept_grid(keep, grid)
            positions = pick(positions.mT.expand(len(keep), -1, -1), keep).mT
            kept = replace(shared, places=self._places(positions, some, h.dtype))
            seen = (None if feature is None else pick(feature, keep) for feature in each[:main])
            h = self.gaps(_through(self.blocks, pick(h, keep), kept, seen), keep, grid.size)
        h = _through(self.whole_blocks, h, shared, each[main:])
        out = self.out_modulation(singleton, h.dtype)
        result: Tensor = self.patch_out(out.enter(layer_norm(h, self.config.eps)))
        return result

    def singleton(self, time: Tensor, condition: Condition) -> Tensor:
        """All that is one vector per sample, each normalised, summed (2.1, "Singleton").

        Args:
            time: (B,) or (1,), in [0, 1], 1 = pure noise; the paper counts it the other way.
            condition: pooled text and facts.

        Returns:
            (B, D).
        """
        pooled, facts = condition.text.pooled, condition.facts
        if pooled is None:
            raise ConfigError(
                "text without a pooled vector: expected one of width "
                f"{self.config.pooled_width}, which is part of STIV's singleton condition"
            )
        missing = [name for name in self.config.micro if name not in facts]
        if missing:
            raise ConfigError(
                f"facts {sorted(facts)}: expected {', '.join(missing)} too, which this model was "
                "configured to read (`micro`)"
            )
        told = [self.time((1.0 - time.float()) * self.config.time_scale), self.pooled(pooled)]
        told += [embed(facts[name]) for name, embed in self.micro.items()]
        return sum_of_norms(told, self.config.eps)

    def _places(self, positions: Tensor, grid: Grid, dtype: torch.dtype) -> Places:
        """Frame, row and column of each token, (B or 1, 3, N) -> how it is turned."""
        return Places(
            grid,
            space=self.in_space(positions[:, 1:]).to(dtype),
            time=self.in_time(positions[:, :1]).to(dtype),
        )


def sum_of_norms(vectors: list[Tensor], eps: float) -> Tensor:
    """Each (B or 1, D) normalised by itself without weights, then summed: (B, D)."""
    total = layer_norm(vectors[0], eps)
    for vector in vectors[1:]:
        total = total + layer_norm(vector, eps)
    return total


def _through(
    blocks: nn.ModuleList, x: Tensor, shared: Shared, features: Iterable[Tensor | None]
) -> Tensor:
    for block, feature in zip(blocks, features, strict=True):
        x = added(block(x, shared), feature)
    return x
