"""The transformer of Open-Sora 2.0: text and video attend jointly, first apart, then as one.

Peng et al., "Open-Sora 2.0" (2503.09642), "DiT architecture": the blocks of FLUX, rotation along
three axes and, for what is given of the video, a second patch embedding.

Letters: B samples; C channels; F x H x W latent cells; N video tokens; L text tokens; D width;
A heads of size K; p patch size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.denoisers.features import added, per_block
from kineograph.denoisers.sizes import every_token, token_grid
from kineograph.errors import ConfigError
from kineograph.nn.attention import text_bias
from kineograph.nn.embed import NumberEmbedding, VectorEmbedding, fold, unfold
from kineograph.nn.joint import HeadProjections, attend_jointly
from kineograph.nn.mlp import MLP
from kineograph.nn.modulation import Branch, OwnModulation, OwnOutModulation
from kineograph.nn.norm import layer_norm
from kineograph.nn.rotary import AxisPositions, Rotary, grid_positions
from kineograph.types import Condition, Grid, Known, TextEmbedding


@dataclass(frozen=True, kw_only=True)
class MMDiTConfig:
    """An MMDiT; the defaults are Open-Sora 2.0's with 11 billion parameters.

    channels: of the latents, C. double_layers: blocks in which text and video have weights of
    their own; single_layers: blocks in which they share them. shares: channels of a head that
    turn with time, row and column, each even. patch: p x p latent cells are one token.
    bias: of query, key and value in the double blocks. given: whether a mask and given latents
    are read. guided: whether the fact `guidance` is read (distilled models such as FLUX-dev).
    time_scale: what times and guidance are multiplied by.
    """

    kind: Literal["mmdit"] = "mmdit"
    channels: int = 16
    heads: int = 24
    shares: tuple[int, ...] = (16, 56, 56)
    double_layers: int = 19
    single_layers: int = 38
    mlp_ratio: float = 4.0
    text_width: int = 4096
    pooled_width: int = 768
    patch: int = 2
    bias: bool = True
    given: bool = True
    guided: bool = False
    theta: float = 10000.0
    time_scale: float = 1000.0

    def __post_init__(self) -> None:
        for share in self.shares:
            if share % 2:
                raise ConfigError(
                    f"shares = {self.shares}: expected even numbers, because rotation turns "
                    f"pairs of channels; nearest to {share}: {share + 1}"
                )

    @property
    def width(self) -> int:
        """D."""
        return self.heads * sum(self.shares)

    @property
    def hidden(self) -> int:
        """The inner width of every MLP."""
        return int(self.width * self.mlp_ratio)

    def build(self) -> "MMDiT":
        """The module, randomly initialised."""
        return MMDiT(self)


@dataclass(frozen=True, eq=False)
class Shared:
    """What all blocks read: time (B, 1, D), places of L + N tokens, bias (B, 1, 1, L + N)."""

    time: Tensor
    rotary: Rotary
    bias: Tensor | None


class Stream(nn.Module):
    """What a double block has once for text and once for video."""

    def __init__(self, config: MMDiTConfig) -> None:
        super().__init__()
        width = config.width
        self.modulation = OwnModulation(width, branches=2)
        self.attention = HeadProjections(width, config.heads, bias=config.bias)
        self.out = nn.Linear(width, width)
        self.mlp = MLP(width, config.hidden)

    def leave(self, x: Tensor, found: Tensor, look: Branch, transform: Branch) -> Tensor:
        """Tokens (B, n, D) and what they found in all tokens (B, n, D) -> refined tokens."""
        x = look.leave(x, self.out(found))
        return transform.leave(x, self.mlp(transform.enter(layer_norm(x))))


class DoubleBlock(nn.Module):
    """Text and video look at each other, and each transforms its own tokens."""

    def __init__(self, config: MMDiTConfig) -> None:
        super().__init__()
        self.text = Stream(config)
        self.video = Stream(config)

    def forward(self, text: Tensor, video: Tensor, shared: Shared) -> tuple[Tensor, Tensor]:
        """(B, L, D) and (B, N, D) -> the same, refined."""
        text_branches = self.text.modulation(shared.time, text.dtype)
        video_branches = self.video.modulation(shared.time, video.dtype)
        parts = zip(
            self.text.attention(text_branches[0].enter(layer_norm(text))),
            self.video.attention(video_branches[0].enter(layer_norm(video))),
            strict=True,
        )
        query, key, value = (torch.cat(part, 1) for part in parts)
        found = attend_jointly(query, key, value, shared.rotary, shared.bias)
        words = text.shape[1]
        return (
            self.text.leave(text, found[:, :words], *text_branches),
            self.video.leave(video, found[:, words:], *video_branches),
        )


class SingleBlock(nn.Module):
    """All tokens as one sequence; they look and transform at once (Dehghani et al., 2302.05442)."""

    def __init__(self, config: MMDiTConfig) -> None:
        super().__init__()
        width = config.width
        self.modulation = OwnModulation(width, branches=1)
        self.attention = HeadProjections(width, config.heads)
        self.up = nn.Linear(width, config.hidden)
        self.out = nn.Linear(width + config.hidden, width)

    def forward(self, x: Tensor, shared: Shared) -> Tensor:
        """(B, L + N, D) -> the same, refined."""
        (branch,) = self.modulation(shared.time, x.dtype)
        entered = branch.enter(layer_norm(x))
        query, key, value = self.attention(entered)
        found = attend_jointly(query, key, value, shared.rotary, shared.bias)
        transformed = functional.gelu(self.up(entered), approximate="tanh")
        result: Tensor = branch.leave(x, self.out(torch.cat((found, transformed), -1)))
        return result


@dataclass(frozen=True, eq=False)
class Tokens:
    """Video tokens anywhere.

    cells: (B, N, p * p * C); given: mask and given latents, (B, N, p * p * (1 + C)), or None;
    positions: frame, row and column of the L text tokens and then of the video tokens,
    (B or 1, 3, L + N).
    """

    cells: Tensor
    given: Tensor | None
    positions: Tensor


class MMDiT(nn.Module):
    """Predicts the velocity, noise - data, of each latent cell.

    Reads the text's tokens, mask and pooled vector, `known` as further channels (nothing is
    given where it is None), `inside.features`, the double blocks' first, and, where the config
    says so, the fact `guidance`.
    """

    clock: Literal["sample", "frame", "token"] = "sample"
    disturbable: int = 0

    def __init__(self, config: MMDiTConfig) -> None:
        super().__init__()
        self.config = config
        self.reads_known = config.given
        width, cells = config.width, config.patch**2
        self.patch_in = nn.Linear(cells * config.channels, width)
        self.given_in = nn.Linear(cells * (1 + config.channels), width) if config.given else None
        self.text = nn.Linear(config.text_width, width)
        self.time = NumberEmbedding(width)
        self.pooled = VectorEmbedding(width, config.pooled_width)
        self.guidance = NumberEmbedding(width) if config.guided else None
        self.double_blocks = nn.ModuleList(DoubleBlock(config) for _ in range(config.double_layers))
        self.single_blocks = nn.ModuleList(SingleBlock(config) for _ in range(config.single_layers))
        self.out_modulation = OwnOutModulation(width)
        self.patch_out = nn.Linear(width, cells * config.channels)
        self.places = AxisPositions(
            shares=config.shares, units=(1.0,) * len(config.shares), theta=config.theta
        )
        if self.given_in is not None:  # learning to look at what is given begins at nothing
            nn.init.zeros_(self.given_in.weight)
            nn.init.zeros_(self.given_in.bias)

    def forward(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """Noisy latents to velocities.

        Args:
            x: (B, C, F, H, W); H and W are multiples of the patch.
            time: in [0, 1], one per sample, broadcastable to (B, 1, 1, 1, 1).
            condition: text, what is known, facts.

        Returns:
            (B, C, F, H, W), in the dtype of the weights.
        """
        patch, size = self.config.patch, (x.shape[2], x.shape[3], x.shape[4])
        grid = token_grid(size, patch)
        if time.numel() != time.shape[0]:
            raise ConfigError(
                f"times of shape {tuple(time.shape)}: expected one per sample; held frames need "
                "a denoiser whose clock is frame or token"
            )
        starts = [
            torch.arange(count, dtype=torch.float32, device=x.device)
            for count in (grid.frames, grid.rows, grid.columns)
        ]
        video = grid_positions(starts, 1)
        still = video.new_zeros(1, 3, condition.text.tokens.shape[1])  # text lies at the origin
        tokens = Tokens(
            fold(x, patch), self._given(condition.known, x), torch.cat((still, video), 2)
        )
        vector = self.vector(time.flatten(), condition)
        found = self.tokens(tokens, vector, condition.text, condition.inside.features)
        return unfold(found, patch, size)

    def token_grid(self, size: tuple[int, int, int]) -> Grid:
        """Refused: every token is needed."""
        every_token("mmdit")

    def tokens(
        self,
        video: Tokens,
        vector: Tensor,
        text: TextEmbedding,
        features: Sequence[Tensor] = (),
    ) -> Tensor:
        """The transformer itself, on tokens that lie anywhere.

        Args:
            video: the video tokens and all positions.
            vector: from `vector`, (B, D).
            text: tokens (B, L, text_width) and mask.
            features: what is added to each block's video tokens, (B, N, D) each; none: nothing.

        Returns:
            (B, N, p * p * C).
        """
        h = self.patch_in(video.cells)
        if self.given_in is not None and video.given is not None:
            h = h + self.given_in(video.given)
        words = self.text(text.tokens)
        mask = text.mask
        if mask is not None:
            mask = torch.cat((mask, mask.new_ones(h.shape[:2])), 1)
        shared = Shared(
            time=vector[:, None],
            rotary=self.places(video.positions),
            bias=text_bias(mask, h.dtype),
        )
        doubles = len(self.double_blocks)
        each = per_block(features, doubles + len(self.single_blocks))
        for double, feature in zip(self.double_blocks, each[:doubles], strict=True):
            words, h = double(words, h, shared)
            h = added(h, feature)
        both = torch.cat((words, h), 1)
        for single, feature in zip(self.single_blocks, each[doubles:], strict=True):
            both = added(single(both, shared), feature, words.shape[1])
        h = both[:, words.shape[1] :]
        result: Tensor = self.patch_out(self.out_modulation(shared.time).enter(layer_norm(h)))
        return result

    def vector(self, time: Tensor, condition: Condition) -> Tensor:
        """What modulates every block: times (B,), the pooled text and the guidance, as (B, D)."""
        pooled = condition.text.pooled
        if pooled is None:
            raise ConfigError(
                "text without a pooled vector: expected one of width "
                f"{self.config.pooled_width}, which modulates every block"
            )
        vector: Tensor = self.time(time.float() * self.config.time_scale) + self.pooled(pooled)
        if self.guidance is None:
            return vector
        scale = condition.facts.get("guidance")
        if scale is None:
            raise ConfigError(
                f"facts {sorted(condition.facts)}: expected 'guidance', which this distilled "
                "model needs"
            )
        guided: Tensor = vector + self.guidance(scale.float() * self.config.time_scale)
        return guided

    def _given(self, known: Known | None, x: Tensor) -> Tensor | None:
        """Mask and given latents as tokens, (B, N, p * p * (1 + C)); zeros: nothing is given."""
        if self.given_in is None:
            if known is not None:
                raise ConfigError("given frames: this MMDiT has no channels for them")
            return None
        if known is None:
            shape = (len(x), 1 + self.config.channels, *x.shape[2:])
            return fold(x.new_zeros(shape), self.config.patch)
        given = torch.cat((known.strength, known.latents), 1).to(x.dtype)
        return fold(given, self.config.patch)
