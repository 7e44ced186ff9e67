"""The coder of KL autoencoders: levels of residual blocks, with attention in the middle.

One architecture codes pictures (Rombach et al., 2112.10752) and causal video (HunyuanVideo,
2412.03603); `Parts` says what its convolutions, norms and changes of size are.

Letters: B clips or pictures, C channels, `...` rows and columns, or frames, rows and columns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional

from kineograph.nn.attention import attend
from kineograph.nn.borders import BorderedConv
from kineograph.nn.entrances import GroupsThenSilu
from kineograph.nn.linear import Linear


class Layers(Protocol):
    """What residual blocks are made of."""

    def conv(self, inside: int, outside: int, kernel: int) -> nn.Module:
        """A convolution that keeps the size."""
        ...

    def norm(self, channels: int) -> nn.Module:
        """What stands before a convolution."""
        ...


class Parts(Layers, Protocol):
    """What a coder is made of. Steps count from its input, 0 first."""

    def down(self, step: int, channels: int) -> nn.Module:
        """The end of a level of the encoder; the identity where nothing shrinks."""
        ...

    def up(self, step: int, channels: int) -> nn.Module:
        """The end of a level of the decoder; the identity where nothing grows."""
        ...

    def attention(self, channels: int) -> nn.Module:
        """What looks around in the middle."""
        ...


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Sizes of a coder: widths from pixels to latents, residual blocks per encoder level."""

    widths: Sequence[int]
    blocks: int
    latent_channels: int


class Residual(nn.Module):
    """Norm, SiLU, convolution, twice, added to the input."""

    def __init__(self, inside: int, outside: int, layers: Layers) -> None:
        super().__init__()
        self.norm_1 = layers.norm(inside)
        self.conv_1 = layers.conv(inside, outside, 3)
        self.norm_2 = layers.norm(outside)
        self.conv_2 = layers.conv(outside, outside, 3)
        self.shortcut = layers.conv(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> (B, C', ...); may overwrite x where nothing is learned."""
        y = activated(self.norm_1, self.conv_1, x)
        return activated(self.norm_2, self.conv_2, y, onto=self.shortcut(x))


def activated(norm: nn.Module, conv: nn.Module, x: Tensor, onto: Tensor | None = None) -> Tensor:
    """Norm, SiLU and convolution of (B, C, ...), added to `onto`, which may be overwritten."""
    if isinstance(conv, BorderedConv) and isinstance(norm, nn.GroupNorm):
        return conv.after(GroupsThenSilu(norm), x, onto)
    y: Tensor = conv(functional.silu(norm(x)))
    return y if onto is None else onto + y


def residuals(inside: int, outside: int, count: int, layers: Layers) -> nn.Sequential:
    """Residual blocks in a row; the first one changes the width."""
    return nn.Sequential(
        *(Residual(outside if i else inside, outside, layers) for i in range(count))
    )


def everything(x: Tensor) -> Tensor | None:
    """The bias of attention in which every point sees every other one: none."""
    return None


class PointAttention(nn.Module):
    """Every point looks at others of its clip or picture; one head as wide as the level."""

    def __init__(
        self,
        channels: int,
        norm: nn.Module,
        bias: Callable[[Tensor], Tensor | None] = everything,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.bias = bias
        self.query = Linear(channels, channels)
        self.key = Linear(channels, channels)
        self.value = Linear(channels, channels)
        self.out = Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> the same."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)[:, :, None]
        found = attend(self.query(tokens), self.key(tokens), self.value(tokens), self.bias(x))
        seen: Tensor = self.out(found).squeeze(2).transpose(1, 2)
        return x + seen.reshape(x.shape)


class Level(nn.Module):
    """Residual blocks, then a change of size."""

    def __init__(self, blocks: nn.Sequential, resize: nn.Module) -> None:
        super().__init__()
        self.blocks = blocks
        self.resize = resize

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> (B, C', ...), of another size."""
        resized: Tensor = self.resize(self.blocks(x))
        return resized


def middle(channels: int, parts: Parts) -> nn.Sequential:
    """The deepest level: residual block, attention, residual block."""
    return nn.Sequential(
        Residual(channels, channels, parts),
        parts.attention(channels),
        Residual(channels, channels, parts),
    )


class Encoder(nn.Module):
    """RGB to mean and log-variance."""

    def __init__(self, levels: Levels, parts: Parts) -> None:
        super().__init__()
        widths = levels.widths
        self.enter = parts.conv(3, widths[0], 3)
        before = [widths[0], *widths]
        self.levels = nn.Sequential(
            *(
                Level(residuals(before[i], width, levels.blocks, parts), parts.down(i, width))
                for i, width in enumerate(widths)
            )
        )
        self.middle = middle(widths[-1], parts)
        self.norm = parts.norm(widths[-1])
        self.out = parts.conv(widths[-1], 2 * levels.latent_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, ...) -> (B, 2 C, ...), smaller."""
        x = self.middle(self.levels(self.enter(x)))
        return activated(self.norm, self.out, x)


class Decoder(nn.Module):
    """Latents to RGB; each level has one residual block more than the encoder's."""

    def __init__(self, levels: Levels, parts: Parts) -> None:
        super().__init__()
        widths = list(reversed(levels.widths))
        self.enter = parts.conv(levels.latent_channels, widths[0], 3)
        self.middle = middle(widths[0], parts)
        before = [widths[0], *widths]
        self.levels = nn.Sequential(
            *(
                Level(residuals(before[i], width, levels.blocks + 1, parts), parts.up(i, width))
                for i, width in enumerate(widths)
            )
        )
        self.norm = parts.norm(widths[-1])
        self.out = parts.conv(widths[-1], 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> (B, 3, ...), larger."""
        x = self.levels(self.middle(self.enter(x)))
        return activated(self.norm, self.out, x)

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight of the last convolution."""
        return self.out.get_parameter("weight")
