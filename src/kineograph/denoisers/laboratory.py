"""The laboratory's denoiser: one transformer in which every choice of the papers is a switch.

It is nobody's published model. Its parts are those of the others, so that an experiment changes
one thing and leaves everything else as it is.

Letters: B samples; C channels; F x H x W latent cells; N video tokens, S of text before them; L
text tokens; D width; A heads of size K; M entries of time per sample, 1 or S + N.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.denoisers.features import added, per_block
from kineograph.denoisers.laboratory_layout import (
    Absolute,
    Coordinates,
    Encoding,
    Everywhere,
    Reach,
    Rotated,
)
from kineograph.denoisers.laboratory_parts import (
    ChannelGuest,
    Crossed,
    Joined,
    Modulated,
    Norms,
    PerModel,
    Picture,
    PreNorm,
    Source,
    Unread,
    Words,
)
from kineograph.denoisers.sizes import token_times
from kineograph.errors import ConfigError
from kineograph.nn.attention import (
    CrossAttention,
    NoNorm,
    NormHead,
    NormLayer,
    NormWidth,
    SelfAttention,
    token_bias,
)
from kineograph.nn.dropping import Gaps, pick
from kineograph.nn.embed import NumberEmbedding
from kineograph.nn.mlp import MLP
from kineograph.nn.modulation import OutModulation, OwnModulation, SharedModulation
from kineograph.nn.norm import layer_norm
from kineograph.nn.order import BothWays, Order
from kineograph.nn.patches import Patch
from kineograph.nn.rotary import AxisPositions, Falling, Rising, Rotary, Spacing, grid_positions
from kineograph.types import Condition, Grid

LEAST = 6  # channels in which each of three axes has a pair


@dataclass(frozen=True, kw_only=True)
class LaboratoryConfig:
    """A laboratory denoiser; the defaults are PixArt-alpha's choices with full attention.

    channels: of the latents, C. whole_layers: further blocks behind the others, which see every
    token even where tokens are dropped. pooled_width: of the text's pooled vector, which then
    joins the time; None: it is not read. patch: latent frames, rows and columns of a token.
    micro: the facts that are told with the time.

    reach: which tokens see each other; order: whether also later ones. coordinates, encoding,
    spacing, theta: where a token is, how it is told so, and with which frequencies. norm: of
    queries and keys; norms: around layers. modulated: by what. words, picture: where the text
    and given frames come in.
    """

    kind: Literal["laboratory"] = "laboratory"
    layers: int = 8
    whole_layers: int = 0
    heads: int = 4
    head_width: int = 64
    channels: int = 8
    text_width: int = 256
    pooled_width: int | None = None
    mlp_ratio: float = 4.0
    patch: tuple[int, int, int] = (1, 2, 2)
    micro: tuple[str, ...] = ()
    reach: Reach = field(default_factory=Everywhere)
    order: Order = field(default_factory=BothWays)
    coordinates: Coordinates = field(default_factory=Absolute)
    encoding: Encoding = field(default_factory=Rotated)
    spacing: Spacing = field(default_factory=Falling)
    theta: float = 10000.0
    norm: NoNorm | NormHead | NormWidth | NormLayer = field(default_factory=NormHead)
    norms: Norms = field(default_factory=PreNorm)
    modulated: Modulated = field(default_factory=PerModel)
    words: Words = field(default_factory=Crossed)
    picture: Picture = field(default_factory=Unread)
    time_scale: float = 1000.0
    eps: float = 1e-6

    def __post_init__(self) -> None:
        channels = self.encoding.channels(self.width, self.head_width)
        if channels % 2 or channels < LEAST:
            raise ConfigError(
                f"{self.heads} heads of {self.head_width} channels: expected an even number from "
                f"{LEAST} on, because positions along three axes are pairs of channels; nearest: "
                f"{max(LEAST, channels + channels % 2)}"
            )
        if isinstance(self.words, Joined) and not isinstance(self.reach, Everywhere):
            raise ConfigError(
                f"words = 'joined' with reach = {self.reach.kind!r}: expected 'everywhere', "
                "because groups would tear the one sequence of text and video; nearest: words = "
                "'crossed'"
            )
        if isinstance(self.spacing, Rising) and isinstance(self.coordinates, Absolute):
            raise ConfigError(
                "spacing = 'rising' with coordinates = 'absolute': expected shares of a clip, "
                "because from one whole number to the next fast pairs would turn many times; "
                "nearest: coordinates = 'fractional' or spacing = 'falling'"
            )

    @property
    def width(self) -> int:
        """D."""
        return self.heads * self.head_width

    @property
    def cells(self) -> Patch:
        """The latent cells of one token."""
        return Patch(*self.patch)

    def build(self) -> "Laboratory":
        """The module, randomly initialised."""
        return Laboratory(self)


@dataclass(frozen=True, eq=False)
class View:
    """Where the video tokens of some blocks are, and how noisy.

    positions (B, 3, N); when: their token frames (B, N); times in [0, 1], (B or 1, 1 or N).
    """

    positions: Tensor
    when: Tensor
    times: Tensor
    grid: Grid

    def kept(self, keep: Tensor, grid: Grid) -> "View":
        """The tokens at the indices `keep` (B, N'), which lie as `grid` says."""
        times = self.times.expand(len(keep), -1)
        return View(
            pick(self.positions.mT, keep).mT,
            self.when.gather(1, keep),
            times if times.shape[1] == 1 else times.gather(1, keep),
            grid,
        )


@dataclass(frozen=True, eq=False)
class Told:
    """What is the same for all blocks.

    vector: what joins the time, (B, D). sources: what is read by cross attention. mask: which
    of the S tokens of text are real, (B, S), None: all.
    """

    vector: Tensor
    sources: tuple[Source, ...]
    mask: Tensor | None


@dataclass(frozen=True, eq=False)
class Shared:
    """What the blocks of a run read.

    modulation: of M entries. bias: added to the scores of keys, (B, S + N), None: nothing.
    when: the token frame of each token, -1 for text, (B, S + N).
    """

    modulation: Tensor
    sources: tuple[Source, ...]
    rotary: Rotary | None
    bias: Tensor | None
    when: Tensor
    grid: Grid


class Block(nn.Module):
    """Look at the video, read text and pictures, transform each token."""

    def __init__(self, config: LaboratoryConfig, layer: int) -> None:
        super().__init__()
        width, heads, norm = config.width, config.heads, config.norm
        self.eps, self.norms = config.eps, config.norms
        self.modulation = config.modulated.block(width)
        grouping = config.reach.grouping(layer)
        self.attention = SelfAttention(
            width, heads, grouping=grouping, norm=norm, order=config.order
        )
        readers = config.words.readers + config.picture.readers
        self.readers = nn.ModuleList(
            CrossAttention(width, heads, norm=norm) for _ in range(readers)
        )
        self.mlp = MLP(width, round(config.mlp_ratio * width))

    def forward(self, x: Tensor, shared: Shared) -> Tensor:
        """Refine the tokens once, (B, S + N, D) -> (B, S + N, D)."""
        look, transform = self.modulation(shared.modulation, x.dtype)
        entered = look.enter(layer_norm(x, self.eps))
        found = self.attention(
            entered, shared.rotary, shared.grid, bias=shared.bias, when=shared.when
        )
        x = look.leave(x, self.norms.leave(found, self.eps))
        for reader, source in zip(self.readers, shared.sources, strict=True):
            x = x + reader(x, source.tokens, source.bias)
        found = self.mlp(transform.enter(layer_norm(x, self.eps)))
        result: Tensor = transform.leave(x, self.norms.leave(found, self.eps))
        return result


class Laboratory(nn.Module):
    """Predicts one tensor of the latents' shape, whatever the prediction means by it.

    Reads the text's tokens and mask, its pooled vector and the facts that its config lists,
    `known` where its config says so, `layout.keep` (the tokens that the main blocks see, rising;
    all cells are predicted nevertheless) and `inside.features`.
    """

    clock: Literal["sample", "frame", "token"] = "token"
    disturbable: int = 0

    def __init__(self, config: LaboratoryConfig) -> None:
        super().__init__()
        self.config = config
        width, cells = config.width, config.cells
        numbers = cells.cells * config.channels
        self.reads_known = config.picture.read
        self.facts = (*config.coordinates.facts, *config.micro)
        self.patch_in = nn.Linear(numbers, width)
        self.guest = config.picture.build(config.channels, width, cells)
        self.time = NumberEmbedding(width)
        self.pooled = None if config.pooled_width is None else nn.Linear(config.pooled_width, width)
        self.micro = nn.ModuleDict({name: NumberEmbedding(width) for name in config.micro})
        self.modulation = config.modulated.once(width)
        self.text = MLP(config.text_width, width, width)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.gaps = Gaps(width)
        self.whole_blocks = nn.ModuleList(
            Block(config, layer) for layer in range(config.whole_layers)
        )
        self.out_modulation = OutModulation(width)
        self.patch_out = nn.Linear(width, numbers)
        channels = config.encoding.channels(width, config.head_width)
        share = channels // 6 * 2  # frames take what rows and columns leave
        self.places = AxisPositions(
            shares=(channels - 2 * share, share, share),
            units=(1.0, 1.0, 1.0),
            theta=config.theta,
            spacing=config.spacing,
        )
        self.initialise()

    def initialise(self) -> None:
        """Fresh weights that let every block begin as the identity, and the result at zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for module in self.modules():  # after the loop above, which also sees their layers
            if isinstance(module, CrossAttention):
                nn.init.zeros_(module.out.weight)
            elif isinstance(module, SharedModulation | OwnModulation):
                nn.init.zeros_(module.linear.weight)
            elif isinstance(module, ChannelGuest):
                nn.init.zeros_(module.patch_in.weight)
        nn.init.zeros_(self.patch_out.weight)

    def forward(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """Noisy latents to a prediction.

        Args:
            x: (B, C, F, H, W); the edges of incomplete patches are padded with zeros.
            time: in [0, 1], broadcastable to (B, 1, F, H, W). A token of several cells has
                the time of its noisiest one.
            condition: text, facts, layout and what is known.

        Returns:
            (B, C, F, H, W), in the dtype of the weights.
        """
        config, size = self.config, (x.shape[2], x.shape[3], x.shape[4])
        view = self._view(x, time, condition)
        shown, pictures = self.guest(x, condition.known)
        h = self.patch_in(config.cells.split(x))
        h = config.encoding.enter(h if shown is None else h + shown, self.places, view.positions)
        words = Source(self.text(condition.text.tokens), condition.text.mask)
        joined = config.words.joined(words)
        told = Told(self._vector(condition, h), (*config.words.read(words), *pictures), joined.mask)
        keep, main = condition.layout.keep, len(self.blocks)
        each = per_block(condition.inside.features, main + len(self.whole_blocks))
        if keep is None:
            text, h = self._through(self.blocks, joined.tokens, h, view, told, each[:main])
        else:
            some = view.kept(keep, config.reach.kept(keep, view.grid))
            seen = (None if feature is None else pick(feature, keep) for feature in each[:main])
            text, kept = self._through(self.blocks, joined.tokens, pick(h, keep), some, told, seen)
            h = self.gaps(kept, keep, view.grid.size)
        _, h = self._through(self.whole_blocks, text, h, view, told, each[main:])
        out = self.out_modulation(self._embed(view.times, told), h.dtype)
        return config.cells.merge(self.patch_out(out.enter(layer_norm(h, config.eps))), size)

    def token_grid(self, size: tuple[int, int, int]) -> Grid:
        """How the tokens of F x H x W cells lie."""
        return self.config.cells.grid(size)

    def _through(
        self,
        blocks: nn.ModuleList,
        text: Tensor,
        x: Tensor,
        view: View,
        told: Told,
        features: Iterable[Tensor | None],
    ) -> tuple[Tensor, Tensor]:
        """Joined text (B, S, D) and video tokens (B, N, D) through some blocks."""
        words, times = text.shape[1], view.times
        if times.shape[1] > 1:  # text has the time of the noisiest token
            times = torch.cat((times.amax(1, keepdim=True).expand(-1, words), times), 1)
        bias = token_bias(told.mask, x.dtype)
        shared = Shared(
            modulation=self.modulation(self._embed(times, told)),
            sources=told.sources,
            rotary=self._turn(view.positions, words, x.dtype),
            bias=bias if bias is None else functional.pad(bias, (0, x.shape[1])),
            when=functional.pad(view.when, (words, 0), value=-1),
            grid=view.grid if words == 0 else Grid(1, 1, words + x.shape[1]),
        )
        both = torch.cat((text, x), 1)
        for block, feature in zip(blocks, features, strict=True):
            both = added(block(both, shared), feature, words)
        return both[:, :words], both[:, words:]

    def _view(self, x: Tensor, time: Tensor, condition: Condition) -> View:
        """Where the tokens of latents (B, C, F, H, W) are."""
        missing = [name for name in self.facts if name not in condition.facts]
        if missing:
            raise ConfigError(
                f"facts {sorted(condition.facts)}: expected {', '.join(missing)} too, which this "
                "denoiser was configured to read"
            )
        if condition.layout.when is not None:
            raise ConfigError(
                "latent frames off the video's own grid: expected an injection that adds none, "
                "such as 'held_frames'"
            )
        size = (x.shape[2], x.shape[3], x.shape[4])
        grid = self.config.cells.grid(size)
        starts = self.config.coordinates.starts(grid, condition.facts, x.device)
        frames = torch.arange(grid.frames, device=x.device)
        return View(
            grid_positions(starts, len(x)),
            frames.repeat_interleave(grid.rows * grid.columns).expand(len(x), -1),
            token_times(time, self.config.cells, size),
            grid,
        )

    def _turn(self, positions: Tensor, words: int, dtype: torch.dtype) -> Rotary | None:
        """The rotation of S tokens of text, which stay as they are, and of those of the video."""
        placed = functional.pad(positions, (words, 0))
        rotary = self.config.encoding.turn(self.places, placed)
        return None if rotary is None else rotary.to(dtype)

    def _embed(self, times: Tensor, told: Told) -> Tensor:
        """Times in [0, 1], (B or 1, M), and what else is one vector per sample: (B, M, D)."""
        embedded: Tensor = self.time(times * self.config.time_scale)
        return embedded + told.vector[:, None]

    def _vector(self, condition: Condition, like: Tensor) -> Tensor:
        """Pooled text and micro conditions, (B, D)."""
        vector = like.new_zeros(len(like), like.shape[-1])
        if self.pooled is not None:
            if condition.text.pooled is None:
                raise ConfigError(
                    f"text without a pooled vector: expected one of {self.config.pooled_width} "
                    "channels; set pooled_width to null, or use a text encoder that gives one"
                )
            vector = vector + self.pooled(condition.text.pooled)
        for name, embed in self.micro.items():
            vector = vector + embed(condition.facts[name])
        return vector
