"""The T5 family's encoder: T5 v1.1 (Raffel et al., 1910.10683; gated: Shazeer, 2002.05202), mT5.

Everything is relative: no token knows its place, but every score knows the distance, by a
table that the first block owns and all blocks use.

Letters: B prompts, L tokens, D width, A heads of size K.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.nn.attention import text_bias
from kineograph.nn.norm import RMSNorm
from kineograph.text.null import EncodedNull, Null
from kineograph.text.padding import Masked, Padding, repeat
from kineograph.text.parts import TextAttention, table
from kineograph.text.pieces import Frame, Prompts
from kineograph.types import TextEmbedding

PAD, END = 0, 1


@dataclass(frozen=True, kw_only=True)
class T5Config:
    """An encoder of the T5 family and its system's rules; the defaults are T5 v1.1 XXL's sizes.

    vocabulary: ids; width: D; heads, head: A and K; hidden: of the gated network; blocks.
    buckets, distance: rows of the table of distances, and where they stop growing.
    length: tokens of every prompt, the end included; longer prompts are cut, shorter ones padded.
    padding: who is told what is padding; null: the caption that says nothing.
    tokenizer: the folder with its files, `spiece.model` or `tokenizer.json`.
    """

    kind: Literal["t5"] = "t5"
    learns: ClassVar[bool] = False
    vocabulary: int = 32128
    width: int = 4096
    heads: int = 64
    head: int = 64
    hidden: int = 10240
    blocks: int = 24
    buckets: int = 32
    distance: int = 128
    eps: float = 1e-6
    length: int = 256
    padding: Padding = field(default_factory=Masked)
    null: Null = field(default_factory=EncodedNull)
    tokenizer: str = ""

    def build(self) -> "T5":
        """The encoder, with fresh weights."""
        return T5(self)


class T5(nn.Module):
    """Ids to vectors, transformer blocks, a norm."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.config = config
        frame = Frame(vocabulary=config.vocabulary, length=config.length, end=END, pad=PAD)
        self.prompts = Prompts(config.tokenizer, frame)
        self.words = nn.Parameter(table(config.vocabulary, config.width))
        self.distances = Distances(config.buckets, config.distance, config.heads)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.blocks))
        self.norm = RMSNorm(config.width, config.eps)
        self.null = config.null.build(config.length, config.width)

    def embed(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Ids as vectors that know each other.

        Args:
            ids: (B, L).
            mask: true where an id is text, (B, L); None: padding takes part.

        Returns:
            (B, L, D); masked places hold numbers that nobody should read.
        """
        x = functional.embedding(ids, self.words)
        bias = self.distances(ids.shape[1]).to(x.dtype)
        masked = text_bias(mask, x.dtype)
        bias = bias if masked is None else bias + masked
        for block in self.blocks:
            x = block(x, bias)
        result: Tensor = self.norm(x)
        return result

    def forward(self, prompts: Sequence[str]) -> TextEmbedding:
        """Embed a batch of prompts.

        Returns:
            tokens (B, L, D), mask (B, L) or None, what was cut off; nothing is pooled.

        Raises:
            ConfigError: there is no tokenizer, or its package is missing.
            CheckpointError: the tokenizer's files are damaged.
        """
        rows = self.prompts(prompts)
        device, padding = self.words.device, self.config.padding
        ids, mask = rows.ids.to(device), rows.mask.to(device)
        tokens = self.embed(ids, padding.encoder(mask))
        return TextEmbedding(tokens, padding.denoiser(mask), cut=rows.cut)

    def empty(self, like: TextEmbedding, negative: str = "") -> TextEmbedding:
        """The system's null caption, or a negative one, encoded, in the shape of `like`."""
        found: TextEmbedding | None = None if negative else self.null(like)
        return repeat(self([negative]), like) if found is None else found

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """Nothing: pieces of words spell every word."""
        return ()


class Distances(nn.Module):
    """What the distance between two tokens adds to their score, for each head.

    Half of the rows are for tokens before the one that looks, half for those behind it: near
    distances one row each, further ones share rows that grow like the logarithm.
    """

    def __init__(self, buckets: int, distance: int, heads: int) -> None:
        super().__init__()
        self.distance = distance
        self.weight = nn.Parameter(table(buckets, heads, buckets**-0.5))

    def forward(self, length: int) -> Tensor:
        """What is added to scores, (1, A, L, L): rows look, columns are looked at."""
        places = torch.arange(length, device=self.weight.device)
        found = buckets(places[None] - places[:, None], len(self.weight), self.distance)
        return self.weight[found].permute(2, 0, 1)[None]


def buckets(offsets: Tensor, count: int, distance: int) -> Tensor:
    """The row of the table that each offset has (Raffel et al., 2.1).

    Args:
        offsets: place of the token that is looked at, minus that of the one that looks.
        count: rows of the table, half for each direction.
        distance: from here on all offsets share the last row.

    Returns:
        Rows in [0, count), in the shape of `offsets`.
    """
    half = count // 2
    exact = half // 2
    far = offsets.abs()
    # float32, in the order in which the published weights were trained
    grown = torch.log(far.clamp(min=1).float() / exact) / math.log(distance / exact)
    grown = (exact + (grown * (half - exact)).long()).clamp(max=half - 1)
    return torch.where(far < exact, far, grown) + (offsets > 0).long() * half


class _Block(nn.Module):
    """Look at the other tokens, transform each one; scores are not divided by the root of K."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.eps)
        self.attention = TextAttention(
            config.width, config.heads, config.head, bias=False, gain=math.sqrt(config.head)
        )
        self.mlp_norm = RMSNorm(config.width, config.eps)
        self.mlp = _GatedMLP(config.width, config.hidden)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D); bias: (1 or B, A, L, L)."""
        x = x + self.attention(self.attention_norm(x), bias)
        result: Tensor = x + self.mlp(self.mlp_norm(x))
        return result


class _GatedMLP(nn.Module):
    """Two ways up, one of which, through GELU (its tanh form), gates the other; down."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        gate = functional.gelu(self.gate(x), approximate="tanh")
        result: Tensor = self.down(gate * self.up(x))
        return result
