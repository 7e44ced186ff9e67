"""CLIP's text encoder (Radford et al., 2103.00020), as published: ViT-L/14, ViT-bigG/14.

A causal transformer; what stands at the end of the text has read all of it and is `pooled`.

Letters: B prompts, L tokens, D width, A heads of size K.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.nn.attention import MASKED
from kineograph.nn.mlp import MLP
from kineograph.text.padding import Padding, Unmasked, repeat
from kineograph.text.parts import TextAttention, table
from kineograph.text.pieces import Frame, Prompts
from kineograph.types import TextEmbedding


@dataclass(frozen=True, kw_only=True)
class Quick:
    """The sigmoid that CLIP takes for GELU."""

    kind: Literal["quick"] = "quick"

    def __call__(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x * torch.sigmoid(1.702 * x)


@dataclass(frozen=True, kw_only=True)
class Exact:
    """GELU itself, as OpenCLIP's larger encoders have it."""

    kind: Literal["exact"] = "exact"

    def __call__(self, x: Tensor) -> Tensor:
        """Any shape."""
        return functional.gelu(x)


Activation: TypeAlias = Quick | Exact


@dataclass(frozen=True, kw_only=True)
class CLIPConfig:
    """A text encoder; the defaults are those of ViT-L/14.

    vocabulary: ids, the last two of which begin and end a text; padding repeats the end.
    width: D; heads: A; hidden: of the two-layer network, and its activation; blocks; length:
    tokens of every prompt, both ends included.
    end: the id that ends a text; None: the largest one.
    padding: whether the denoiser is told what is padding; the encoder reads forwards only, so
    that padding never changes what stands before it.
    tokenizer: the folder with its files, `tokenizer.json` or `vocab.json` and `merges.txt`.
    """

    kind: Literal["clip"] = "clip"
    learns: ClassVar[bool] = False
    vocabulary: int = 49408
    width: int = 768
    heads: int = 12
    hidden: int = 3072
    blocks: int = 12
    length: int = 77
    eps: float = 1e-5
    activation: Activation = field(default_factory=Quick)
    end: int | None = None
    padding: Padding = field(default_factory=Unmasked)
    tokenizer: str = ""

    def build(self) -> "CLIP":
        """The encoder, with fresh weights."""
        return CLIP(self)


class CLIP(nn.Module):
    """Ids and places to vectors, causal transformer blocks, a norm."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.config = config
        vocabulary = config.vocabulary
        end = vocabulary - 1 if config.end is None else config.end
        frame = Frame(
            vocabulary=vocabulary, length=config.length, start=(vocabulary - 2,), end=end, pad=end
        )
        self.prompts = Prompts(config.tokenizer, frame)
        self.words = nn.Parameter(table(config.vocabulary, config.width, 0.02))
        self.places = nn.Parameter(table(config.length, config.width, 0.01))
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width, config.eps)

    def embed(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Ids (B, L) -> every token (B, L, D), and the one at the first end of the text (B, D)."""
        length = ids.shape[1]
        x = functional.embedding(ids, self.words) + self.places[:length]
        later = torch.ones(length, length, dtype=torch.bool, device=ids.device).triu(1)
        bias = later.to(x.dtype) * MASKED
        for block in self.blocks:
            x = block(x, bias)
        x = self.norm(x)
        ends = ids if self.config.end is None else (ids == self.config.end).int()
        return x, x[torch.arange(len(x), device=x.device), ends.argmax(1)]

    def forward(self, prompts: Sequence[str]) -> TextEmbedding:
        """Embed a batch of prompts.

        Returns:
            tokens (B, L, D), mask (B, L) or None, pooled (B, D), and what was cut off.

        Raises:
            ConfigError: there is no tokenizer, or its package is missing.
            CheckpointError: the tokenizer's files are damaged.
        """
        rows = self.prompts(prompts)
        tokens, pooled = self.embed(rows.ids.to(self.places.device))
        mask = self.config.padding.denoiser(rows.mask.to(tokens.device))
        return TextEmbedding(tokens, mask, pooled, rows.cut)

    def empty(self, like: TextEmbedding, negative: str = "") -> TextEmbedding:
        """The null (or negative) caption as this encoder reads it, in the shape of `like`."""
        return repeat(self([negative]), like)

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """Nothing: pieces of words spell every word."""
        return ()


class _Block(nn.Module):
    """Look at the tokens before, transform each one."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width, config.eps)
        self.attention = TextAttention(config.width, config.heads, config.width // config.heads)
        self.mlp_norm = nn.LayerNorm(config.width, config.eps)
        self.mlp = _MLP(config.width, config.hidden, config.activation)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D); bias: (L, L)."""
        x = x + self.attention(self.attention_norm(x), bias)
        result: Tensor = x + self.mlp(self.mlp_norm(x))
        return result


class _MLP(MLP):
    """With another activation."""

    def __init__(self, width: int, hidden: int, activation: Activation) -> None:
        super().__init__(width, hidden)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        result: Tensor = self.down(self.activation(self.up(x)))
        return result
