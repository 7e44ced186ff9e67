"""Switches of the laboratory's denoiser: norms, modulation, the ways of text and given frames.

Letters: B samples; C channels; F x H x W latent cells; N video tokens; L text tokens; D width;
M entries of time per sample.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn

from kineograph.nn.attention import text_bias
from kineograph.nn.modulation import Modulation, OwnModulation, SharedModulation
from kineograph.nn.norm import layer_norm
from kineograph.nn.patches import Patch
from kineograph.types import Known

# --- what stands around a layer -------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PreNorm:
    """A norm before each layer only."""

    kind: Literal["pre"] = "pre"

    def leave(self, found: Tensor, eps: float) -> Tensor:
        """What a layer gives, (B, N, D), as it is."""
        return found


@dataclass(frozen=True, kw_only=True)
class Sandwich:
    """A norm without weights behind each layer, too (STIV, 2.2)."""

    kind: Literal["sandwich"] = "sandwich"

    def leave(self, found: Tensor, eps: float) -> Tensor:
        """What a layer gives, (B, N, D), with mean 0 and variance 1."""
        return layer_norm(found, eps)


Norms: TypeAlias = PreNorm | Sandwich


@dataclass(frozen=True, kw_only=True)
class PerModel:
    """One linear layer makes the modulation of all blocks (PixArt-alpha, adaLN-single)."""

    kind: Literal["shared"] = "shared"

    def once(self, width: int) -> nn.Module:
        """Time embedding (B, M, D) -> what blocks get."""
        return SharedModulation(width, branches=2)

    def block(self, width: int) -> Modulation | OwnModulation:
        """What a block makes of it."""
        return Modulation(width, branches=2)


@dataclass(frozen=True, kw_only=True)
class PerBlock:
    """Each block has a linear layer of its own (DiT, MMDiT)."""

    kind: Literal["per_block"] = "per_block"

    def once(self, width: int) -> nn.Module:
        """Time embedding (B, M, D) -> the same."""
        return nn.Identity()

    def block(self, width: int) -> Modulation | OwnModulation:
        """What a block makes of it."""
        return OwnModulation(width, branches=2)


Modulated: TypeAlias = PerModel | PerBlock

# --- where text and given frames come in ----------------------------------------------------


@dataclass(frozen=True, eq=False)
class Source:
    """Something that every block reads by cross attention: tokens (B, L, D), mask (B, L)."""

    tokens: Tensor
    mask: Tensor | None

    @property
    def bias(self) -> Tensor | None:
        """What is added to scores, (B, 1, 1, L)."""
        return text_bias(self.mask, self.tokens.dtype)


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """Every block reads the text by cross attention (all but Open-Sora 2.0)."""

    kind: Literal["crossed"] = "crossed"
    readers: ClassVar[int] = 1

    def joined(self, words: Source) -> Source:
        """Text tokens that stand before those of the video: none."""
        mask = None if words.mask is None else words.mask[:, :0]
        return Source(words.tokens[:, :0], mask)

    def read(self, words: Source) -> tuple[Source, ...]:
        """What blocks read by cross attention."""
        return (words,)


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Text and video are one sequence (as in the single blocks of Open-Sora 2.0)."""

    kind: Literal["joined"] = "joined"
    readers: ClassVar[int] = 0

    def joined(self, words: Source) -> Source:
        """Text tokens that stand before those of the video: all."""
        return words

    def read(self, words: Source) -> tuple[Source, ...]:
        """What blocks read by cross attention."""
        return ()


Words: TypeAlias = Crossed | Joined


class NoGuest(nn.Module):
    """Nothing is read of what is given: it stands in the latents, or nothing is given."""

    def forward(self, x: Tensor, known: Known | None) -> tuple[Tensor | None, tuple[Source, ...]]:
        """Latents (B, C, F, H, W) -> nothing to add, nothing to read."""
        return None, ()


class ChannelGuest(nn.Module):
    """A second patch embedding, of a mask and the given latents; it begins at zero."""

    def __init__(self, channels: int, width: int, patch: Patch) -> None:
        super().__init__()
        self.patch = patch
        self.patch_in = nn.Linear(patch.cells * (1 + channels), width)

    def forward(self, x: Tensor, known: Known | None) -> tuple[Tensor | None, tuple[Source, ...]]:
        """Latents (B, C, F, H, W) -> what is added to the tokens, (B, N, D); nothing to read."""
        shown = torch.cat(given(x, known), 1)
        return self.patch_in(self.patch.split(shown)), ()


class FeatureGuest(nn.Module):
    """Tokens of what is given, for cross attention, and one that stands for nothing."""

    def __init__(self, channels: int, width: int, patch: Patch) -> None:
        super().__init__()
        self.patch = patch
        self.patch_in = nn.Linear(patch.cells * channels, width)
        self.nothing = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, x: Tensor, known: Known | None) -> tuple[Tensor | None, tuple[Source, ...]]:
        """Latents (B, C, F, H, W) -> nothing to add; 1 + N tokens to read, most of them masked."""
        strength, latents = given(x, known)
        tokens = self.patch_in(self.patch.split(latents))
        there = self.patch.split(strength).amax(-1) > 0
        first = self.nothing.to(tokens.dtype).expand(len(x), 1, -1)
        mask = torch.cat((there.new_ones(len(x), 1), there), 1)
        return None, (Source(torch.cat((first, tokens), 1), mask),)


Guest: TypeAlias = NoGuest | ChannelGuest | FeatureGuest


def given(x: Tensor, known: Known | None) -> tuple[Tensor, Tensor]:
    """Strength (B, 1, F, H, W) and latents (B, C, F, H, W) in the dtype of x; zeros: nothing."""
    if known is None:
        return torch.zeros_like(x[:, :1]), torch.zeros_like(x)
    strength = known.strength.amin(1, keepdim=True)
    return strength.expand_as(x[:, :1]).to(x.dtype), known.latents.to(x.dtype)


@dataclass(frozen=True, kw_only=True)
class Unread:
    """Given frames stand in the latents themselves: replacement, or times of their own."""

    kind: Literal["unread"] = "unread"
    read: ClassVar[bool] = False
    readers: ClassVar[int] = 0

    def build(self, channels: int, width: int, patch: Patch) -> Guest:
        """What reads them."""
        return NoGuest()


@dataclass(frozen=True, kw_only=True)
class Concatenated:
    """Given frames are further channels of the latents (Open-Sora 2.0)."""

    kind: Literal["concatenated"] = "concatenated"
    read: ClassVar[bool] = True
    readers: ClassVar[int] = 0

    def build(self, channels: int, width: int, patch: Patch) -> Guest:
        """What reads them."""
        return ChannelGuest(channels, width, patch)


@dataclass(frozen=True, kw_only=True)
class Features:
    """Every block reads tokens of the given frames by cross attention (STIV, Table 5: "CA")."""

    kind: Literal["features"] = "features"
    read: ClassVar[bool] = True
    readers: ClassVar[int] = 1

    def build(self, channels: int, width: int, patch: Patch) -> Guest:
        """What reads them."""
        return FeatureGuest(channels, width, patch)


Picture: TypeAlias = Unread | Concatenated | Features
