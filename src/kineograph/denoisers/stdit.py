"""The transformer of Open-Sora 1.2 (STDiT-3): frames and sites look around in turn.

Zheng et al., "Open-Sora" (2412.20404), 3.2: a whole block inside each frame, then a whole block
along time at each site, both with text and time.

Letters: B samples; C channels; F x H x W latent cells; N video tokens; L text tokens; D width;
A heads of size K; M entries of time per sample, each for N / M consecutive tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from kineograph.denoisers.features import added, per_block
from kineograph.denoisers.stdit_parts import (
    Outside,
    Sizes,
    Times,
    fact,
    frame_times,
    frame_turns,
    frequencies,
    site_table,
)
from kineograph.nn.attention import (
    CrossAttention,
    NoNorm,
    NormHead,
    SelfAttention,
    text_bias,
)
from kineograph.nn.embed import NumberEmbedding
from kineograph.nn.grouping import Grouping, PerFrame, PerSite
from kineograph.nn.mlp import MLP
from kineograph.nn.modulation import Modulation
from kineograph.nn.norm import layer_norm
from kineograph.nn.rotary import Rotary
from kineograph.types import Condition, Grid, TextEmbedding


@dataclass(frozen=True, kw_only=True)
class STDiTConfig(Sizes):
    """An STDiT-3; the defaults are the published one with 1.2 billion parameters.

    layers: pairs of a spatial and a temporal block. normed: whether queries and keys are
    normalised. side: a square of so many pixels on each side has sites that lie one apart.
    """

    kind: Literal["stdit"] = "stdit"
    normed: bool = True
    side: int = 512

    def build(self) -> "STDiT":
        """The module, randomly initialised."""
        return STDiT(self)


@dataclass(frozen=True, eq=False)
class Shared:
    """What all blocks read: modulation (B, M, 6, D), text (B, L, D), bias (B, 1, 1, L)."""

    modulation: Tensor
    text: Tensor
    bias: Tensor | None
    grid: Grid


class Block(nn.Module):
    """Look around, read the text, transform each token.

    Time shifts, scales and gates the first and the last branch. The text is read without
    norm, modulation or gate, as in PixArt-alpha.
    """

    def __init__(self, config: STDiTConfig, grouping: Grouping) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.modulation = Modulation(width, branches=2)
        self.attention = SelfAttention(
            width, heads, grouping=grouping, norm=NormHead() if config.normed else NoNorm()
        )
        self.text_attention = CrossAttention(width, heads, norm=NoNorm())
        self.mlp = MLP(width, int(config.mlp_ratio * width))

    def forward(self, x: Tensor, shared: Shared, rotary: Rotary | None) -> Tensor:
        """Refine the video tokens once, (B, N, D) -> (B, N, D)."""
        look, transform = self.modulation(shared.modulation, x.dtype)
        x = look.leave(x, self.attention(look.enter(layer_norm(x)), rotary, shared.grid))
        x = x + self.text_attention(x, shared.text, shared.bias)
        result: Tensor = transform.leave(x, self.mlp(transform.enter(layer_norm(x))))
        return result


class STDiT(Outside):
    """Predicts the velocity, noise - data, of each latent cell; frames have times of their own.

    Reads the text's tokens and mask, the facts `fps`, `height` and `width`, and
    `inside.features`, one for each pair of blocks. Frames at time 0 of a map of times that
    tells frames apart are held: the last layer modulates them twice.
    """

    clock: Literal["sample", "frame", "token"] = "frame"
    reads_known: bool = False
    disturbable: int = 0
    facts = ("fps", "height", "width")

    def __init__(self, config: STDiTConfig) -> None:
        super().__init__(config)
        self.config = config
        self.fps = NumberEmbedding(config.width)
        self.spatial = nn.ModuleList(Block(config, PerFrame()) for _ in range(config.layers))
        self.temporal = nn.ModuleList(Block(config, PerSite()) for _ in range(config.layers))
        self.register_buffer("frequencies", frequencies(config.head_width))
        self.initialise()

    def initialise(self) -> None:
        """Fresh weights that begin as an image model: temporal blocks and fps say nothing."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.fps.first.weight, std=0.02)
        nn.init.zeros_(self.fps.second.weight)
        for block in (*self.spatial, *self.temporal):
            assert isinstance(block, Block)
            nn.init.normal_(block.modulation.table, std=self.config.width**-0.5)
        for block in self.temporal:
            assert isinstance(block, Block)
            for layer in (block.attention.out, block.text_attention.out, block.mlp.down):
                nn.init.zeros_(layer.weight)
        nn.init.normal_(self.last.modulation.table, std=self.config.width**-0.5)

    def forward(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """Noisy latents to velocities.

        Args:
            x: (B, C, F, H, W); the edges of incomplete patches are padded with zeros.
            time: in [0, 1], broadcastable to (B, 1, F, 1, 1).
            condition: text and facts.

        Returns:
            (B, out_channels, F, H, W), in the dtype of the weights.
        """
        times = frame_times(time, self.patch.frames)
        text, features = self.read(condition.text), condition.inside.features
        return -self.predict(x, times, text, condition.facts, features)

    def predict(
        self,
        x: Tensor,
        times: Times,
        text: TextEmbedding,
        facts: Mapping[str, Tensor],
        features: Sequence[Tensor] = (),
    ) -> Tensor:
        """The transformer itself; as published, its velocity points from noise to data.

        Args:
            x: (B, C, F, H, W).
            times: of the token frames, and which of these are held.
            text: from `read`, tokens (B, L, D) and mask.
            facts: fps, and height and width in pixels, (B,) each.
            features: what is added to each pair's output, (B, N, D) each; none: nothing.

        Returns:
            (B, out_channels, F, H, W).
        """
        size = (x.shape[2], x.shape[3], x.shape[4])
        grid, table = self.patch.grid(size), self.frequencies
        assert isinstance(table, Tensor)
        fps = self.fps(fact(facts, "fps"))[:, None]
        moving, still = (one + fps for one in self.embed_times(times))
        h = self.patch_in(self.patch.split(x))
        sites = site_table(grid, facts, self.config.width, self.config.side, h.dtype)
        h = self.place(h, sites, grid)
        shared = Shared(
            modulation=self.modulation(times.choose(moving, still)),
            text=text.tokens,
            bias=text_bias(text.mask, h.dtype),
            grid=grid,
        )
        rotary = frame_turns(table, grid).to(h.dtype)
        each = per_block(features, len(self.spatial))
        for spatial, temporal, feature in zip(self.spatial, self.temporal, each, strict=True):
            h = added(temporal(spatial(h, shared, None), shared, rotary), feature)
        return self.patch.merge(self.last(h, times, moving, still), size)
