"""The transformers of Open-Sora 1.0 and 1.1: one list of blocks, each with both attentions.

STDiT-1 knows one size of clip; STDiT-2 knows any, and is told about it. Both predict noise.

Letters: B samples; C channels; F x H x W latent cells; N video tokens; L text tokens; D width;
A heads of size K; M entries of time per sample, each for N / M consecutive tokens.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from kineograph.denoisers.stdit_parts import (
    Outside,
    Sizes,
    fact,
    frame_times,
    frame_turns,
    frequencies,
    site_table,
)
from kineograph.errors import ConfigError
from kineograph.nn.attention import (
    CrossAttention,
    NoNorm,
    NormHead,
    Projections,
    SelfAttention,
    attend,
    text_bias,
)
from kineograph.nn.embed import NumberEmbedding
from kineograph.nn.grouping import PerFrame, PerSite
from kineograph.nn.mlp import MLP
from kineograph.nn.modulation import Modulation, SharedModulation
from kineograph.nn.norm import layer_norm
from kineograph.nn.rotary import Rotary
from kineograph.nn.sites import plain_waves, site_waves
from kineograph.types import Condition, Grid


@dataclass(frozen=True, kw_only=True)
class STDiT1Config(Sizes):
    """An STDiT-1; the defaults are the published one for 16 frames of 256 x 256 pixels.

    size: latent frames, rows and columns of every clip. space_scale, time_scale: what
    coordinates of tokens are divided by.
    """

    kind: Literal["stdit1"] = "stdit1"
    text_length: int = 120
    size: tuple[int, int, int] = (16, 32, 32)
    space_scale: float = 0.5
    time_scale: float = 1.0

    def build(self) -> "STDiT1":
        """The module, randomly initialised."""
        return STDiT1(self)


@dataclass(frozen=True, kw_only=True)
class STDiT2Config(Sizes):
    """An STDiT-2; the defaults are the published one. `side` as in `STDiTConfig`."""

    kind: Literal["stdit2"] = "stdit2"
    text_length: int = 200
    side: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % 3:
            raise ConfigError(
                f"width {self.width}: expected a multiple of 3, because height, width and aspect "
                "ratio each have a third of it"
            )

    def build(self) -> "STDiT2":
        """The module, randomly initialised."""
        return STDiT2(self)


@dataclass(frozen=True, eq=False)
class Shared:
    """What all blocks read: modulation (B, M, 6, D), text (B, L, D), bias (B, 1, 1, L)."""

    modulation: Tensor
    text: Tensor
    bias: Tensor | None
    grid: Grid


@dataclass(frozen=True, eq=False)
class Along:
    """What the attention along time reads in STDiT-2: modulation (B, M, 3, D)."""

    modulation: Tensor
    rotary: Rotary


class Block1(nn.Module):
    """Look around in the frame, along time, read the text, transform each token.

    The attention along time sees the raw tokens and borrows the other attention's gate.
    """

    def __init__(self, config: STDiT1Config) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.modulation = Modulation(width, branches=2)
        self.attention = SelfAttention(width, heads, grouping=PerFrame(), norm=NoNorm())
        self.along = SelfAttention(width, heads, grouping=PerSite(), norm=NoNorm())
        self.text_attention = CrossAttention(width, heads, norm=NoNorm())
        self.mlp = MLP(width, int(config.mlp_ratio * width))

    def forward(self, x: Tensor, shared: Shared, frames: Tensor | None) -> Tensor:
        """Refine the video tokens once.

        Args:
            x: (B, N, D).
            shared: what all blocks read.
            frames: what the attention along time also sees, (N, D); None: nothing.

        Returns:
            (B, N, D).
        """
        look, transform = self.modulation(shared.modulation, x.dtype)
        x = look.leave(x, self.attention(look.enter(layer_norm(x)), None, shared.grid))
        seen = x if frames is None else x + frames
        x = look.leave(x, self.along(seen, None, shared.grid))
        x = x + self.text_attention(x, shared.text, shared.bias)
        result: Tensor = transform.leave(x, self.mlp(transform.enter(layer_norm(x))))
        return result


class LateNormAttention(Projections):
    """Attention along time that turns queries and keys before it normalises them.

    A mistake of 1.1 that its weights need; elsewhere the norm comes first.
    """

    def forward(self, x: Tensor, rotary: Rotary, grid: Grid) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)) for layer in (self.query, self.key, self.value)
        )
        query, key = self.query_norm(rotary(query)), self.key_norm(rotary(key))
        groups = [PerSite().split(part, grid) for part in (query, key, value)]
        result: Tensor = self.out(PerSite().merge(attend(*groups), grid).flatten(2))
        return result


class Block2(nn.Module):
    """Look around in the frame, along time, read the text, transform each token."""

    def __init__(self, config: STDiT2Config) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.modulation = Modulation(width, branches=2)
        self.along_modulation = Modulation(width, branches=1)
        self.attention = SelfAttention(width, heads, grouping=PerFrame(), norm=NormHead())
        self.along = LateNormAttention(width, heads, NormHead())
        self.text_attention = CrossAttention(width, heads, norm=NoNorm())
        self.mlp = MLP(width, int(config.mlp_ratio * width))

    def forward(self, x: Tensor, shared: Shared, along: Along) -> Tensor:
        """Refine the video tokens once, (B, N, D) -> (B, N, D)."""
        look, transform = self.modulation(shared.modulation, x.dtype)
        (pass_on,) = self.along_modulation(along.modulation, x.dtype)
        x = look.leave(x, self.attention(look.enter(layer_norm(x)), None, shared.grid))
        seen = pass_on.enter(layer_norm(x))
        x = pass_on.leave(x, self.along(seen, along.rotary, shared.grid))
        x = x + self.text_attention(x, shared.text, shared.bias)
        result: Tensor = transform.leave(x, self.mlp(transform.enter(layer_norm(x))))
        return result


class STDiT1(Outside):
    """Predicts the noise in each latent cell of clips of one size.

    Reads the text's tokens and mask. Frames at time 0 of a map of times that tells frames apart
    are held.
    """

    clock: Literal["sample", "frame", "token"] = "frame"
    reads_known: bool = False
    disturbable: int = 0
    facts: tuple[str, ...] = ()

    def __init__(self, config: STDiT1Config) -> None:
        super().__init__(config)
        self.config = config
        self.blocks = nn.ModuleList(Block1(config) for _ in range(config.layers))
        self.grid = self.patch.grid(config.size)
        rows, columns, frames = (
            torch.arange(count)[None] / scale
            for count, scale in (
                (self.grid.rows, config.space_scale),
                (self.grid.columns, config.space_scale),
                (self.grid.frames, config.time_scale),
            )
        )
        self.register_buffer("sites", site_waves(rows, columns, config.width))
        self.register_buffer("frames", plain_waves(frames, config.width))
        for block in self.blocks:  # begins as an image model
            assert isinstance(block, Block1)
            nn.init.zeros_(block.along.out.weight)

    def forward(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """Noisy latents to their noise.

        Args:
            x: (B, C, F, H, W) of the config's size.
            time: in [0, 1], broadcastable to (B, 1, F, 1, 1).
            condition: text.

        Returns:
            (B, out_channels, F, H, W), in the dtype of the weights.

        Raises:
            ConfigError: the latents have another size.
        """
        size = (x.shape[2], x.shape[3], x.shape[4])
        if size != self.config.size:
            raise ConfigError(f"latents of {size}: expected {self.config.size}, the only size")
        times, text = frame_times(time, self.patch.frames), self.read(condition.text)
        moving, still = self.embed_times(times)
        sites, frames = self.sites, self.frames
        assert isinstance(sites, Tensor) and isinstance(frames, Tensor)
        h = self.place(self.patch_in(self.patch.split(x)), sites, self.grid)
        shared = Shared(
            modulation=self.modulation(times.choose(moving, still)),
            text=text.tokens,
            bias=text_bias(text.mask, h.dtype),
            grid=self.grid,
        )
        tokens = frames[0].repeat_interleave(h.shape[1] // self.grid.frames, 0).to(h.dtype)
        for index, block in enumerate(self.blocks):
            h = block(h, shared, tokens if index == 0 else None)
        return self.patch.merge(self.last(h, times, moving, still), size)


class STDiT2(Outside):
    """Predicts the noise in each latent cell.

    Reads the text's tokens and mask and the facts `fps`, `frames`, `height` and `width`. Frames
    at time 0 of a map of times that tells frames apart are held.
    """

    clock: Literal["sample", "frame", "token"] = "frame"
    reads_known: bool = False
    disturbable: int = 0
    facts: tuple[str, ...] = ("fps", "frames", "height", "width")

    def __init__(self, config: STDiT2Config) -> None:
        super().__init__(config)
        self.config = config
        width = config.width
        self.along_modulation = SharedModulation(width, branches=1)
        self.size = NumberEmbedding(width // 3)
        self.aspect = NumberEmbedding(width // 3)
        self.length = NumberEmbedding(width)
        self.fps = NumberEmbedding(width)
        self.blocks = nn.ModuleList(Block2(config) for _ in range(config.layers))
        self.register_buffer("frequencies", frequencies(config.head_width))
        for block in self.blocks:  # begins as an image model
            assert isinstance(block, Block2)
            nn.init.zeros_(block.along.out.weight)

    def forward(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """Noisy latents to their noise.

        Args:
            x: (B, C, F, H, W); the edges of incomplete patches are padded with zeros.
            time: in [0, 1], broadcastable to (B, 1, F, 1, 1).
            condition: text and facts.

        Returns:
            (B, out_channels, F, H, W), in the dtype of the weights.
        """
        size = (x.shape[2], x.shape[3], x.shape[4])
        grid, table = self.patch.grid(size), self.frequencies
        assert isinstance(table, Tensor)
        times, text = frame_times(time, self.patch.frames), self.read(condition.text)
        moving, still = self.embed_times(times)
        space, duration = self.embed_facts(condition)
        h = self.patch_in(self.patch.split(x))
        sites = site_table(grid, condition.facts, self.config.width, self.config.side, h.dtype)
        h = self.place(h, sites, grid)
        shared = Shared(
            modulation=self.modulation(times.choose(moving + space, still + space)),
            text=text.tokens,
            bias=text_bias(text.mask, h.dtype),
            grid=grid,
        )
        along = Along(
            self.along_modulation(times.choose(moving + duration, still + duration)),
            frame_turns(table, grid).to(h.dtype),
        )
        for block in self.blocks:
            h = block(h, shared, along)
        # As published: the last layer hears of the size for held frames only.
        return self.patch.merge(self.last(h, times, moving, still + space), size)

    def embed_facts(self, condition: Condition) -> tuple[Tensor, Tensor]:
        """The size of a frame and the length of the clip, (B, 1, D) each."""
        fps, frames, height, width = (fact(condition.facts, name) for name in self.facts)
        parts = (self.size(height), self.size(width), self.aspect(height / width))
        return torch.cat(parts, -1)[:, None], (self.length(frames) + self.fps(fps))[:, None]
