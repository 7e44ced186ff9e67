"""Null captions: what a system reads where nothing is said.

A negative prompt is always encoded; the systems differ where there is none.

Letters: B prompts, L tokens, D width.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from kineograph.errors import ConfigError
from kineograph.text.parts import table
from kineograph.types import TextEmbedding


class Encoded(nn.Module):
    """The empty prompt as the encoder reads it."""

    def forward(self, like: TextEmbedding) -> TextEmbedding | None:
        """None: it is to be encoded."""
        return None


class Learned(nn.Module):
    """A table of the denoiser's training, in the encoder's space."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(table(length, width, width**-0.5))

    def forward(self, like: TextEmbedding) -> TextEmbedding | None:
        """The first L rows for each caption, tokens (B, L, D); what is masked there is masked here.

        Raises:
            ConfigError: the captions are longer than the table.
        """
        samples, length = like.tokens.shape[:2]
        if length > len(self.table):
            raise ConfigError(f"captions of {length} tokens: expected {len(self.table)} at most")
        tokens = self.table[:length].to(like.tokens).expand(samples, -1, -1)
        return TextEmbedding(tokens, like.mask, cut=("",) * samples)


class Zeros(nn.Module):
    """No token at all: zeros, all of them masked."""

    def forward(self, like: TextEmbedding) -> TextEmbedding | None:
        """Tokens (B, L, D) and a mask (B, L) that is false everywhere."""
        mask = torch.zeros(like.tokens.shape[:2], dtype=torch.bool, device=like.tokens.device)
        return TextEmbedding(torch.zeros_like(like.tokens), mask, cut=("",) * len(mask))


@dataclass(frozen=True, kw_only=True)
class EncodedNull:
    """The empty prompt, encoded (Open-Sora 2.0, Open-Sora Plan, STIV, LTX-Video in diffusers)."""

    kind: Literal["encoded"] = "encoded"

    def build(self, length: int, width: int) -> Encoded:
        """It has no weights."""
        return Encoded()


@dataclass(frozen=True, kw_only=True)
class LearnedNull:
    """A table that the denoiser was trained with; it is as long as the prompt (Open-Sora 1.x)."""

    kind: Literal["learned"] = "learned"

    def build(self, length: int, width: int) -> Learned:
        """The table, (length, width), with fresh rows."""
        return Learned(length, width)


@dataclass(frozen=True, kw_only=True)
class ZeroNull:
    """No token at all (LTX-Video in its authors' code, where no negative prompt is given)."""

    kind: Literal["zeros"] = "zeros"

    def build(self, length: int, width: int) -> Zeros:
        """It has no weights."""
        return Zeros()


Null = EncodedNull | LearnedNull | ZeroNull
