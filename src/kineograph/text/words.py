"""A small text encoder over a fixed list of words, trained together with its denoiser.

For worlds whose language is known, such as the toybox: no download, about a million
parameters, the same interface as T5.

Letters: B prompts, L words, D width.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from kineograph.types import TextEmbedding

PADDING, UNKNOWN, START = 0, 1, 2
SPECIAL = 3  # ids before the first word


@dataclass(frozen=True, kw_only=True)
class WordsConfig:
    """A vocabulary and the size of the encoder.

    length counts the words that are read, the start token not included.
    """

    kind: Literal["words"] = "words"
    learns: ClassVar[bool] = True
    vocabulary: tuple[str, ...]
    length: int = 32
    width: int = 256
    heads: int = 4
    blocks: int = 1

    def build(self) -> "Words":
        """The encoder, with fresh weights."""
        return Words(self)

    def taught(self, sentences: Iterable[str]) -> "WordsConfig":
        """The same with the words of sentences that it does not know yet, behind its own."""
        new = {word for one in sentences for word in Words.split(one)} - set(self.vocabulary)
        return replace(self, vocabulary=(*self.vocabulary, *sorted(new)))


class Words(nn.Module):
    """Words to ids, ids to vectors, and bidirectional transformer blocks over them.

    Every prompt begins with a start token, so that the null caption (the start token
    alone) still has something to attend to; `pooled` is the start token's result.
    """

    def __init__(self, config: WordsConfig) -> None:
        super().__init__()
        self.config = config
        self.ids = {word: SPECIAL + i for i, word in enumerate(config.vocabulary)}
        self.words = nn.Embedding(SPECIAL + len(config.vocabulary), config.width)
        self.positions = nn.Parameter(torch.empty(1 + config.length, config.width))
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            4 * config.width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(layer, config.blocks, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(config.width)
        nn.init.normal_(self.words.weight, std=0.5)
        nn.init.normal_(self.positions, std=0.1)

    @staticmethod
    def split(prompt: str) -> list[str]:
        """A prompt as lower-case words, without punctuation."""
        return re.findall(r"[a-z0-9]+(?:[-'][a-z0-9]+)*", prompt.lower())

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """The words of a prompt that were never seen in training."""
        return tuple(word for word in self.split(prompt) if word not in self.ids)

    def adopted(
        self, weights: Mapping[str, Tensor], vocabulary: Sequence[str]
    ) -> Mapping[str, Tensor]:
        """The weights of an encoder that knows other words, for this one.

        Words that both know keep their vectors, and so do the special tokens; the others have
        this encoder's own. Weights that are no such encoder's are given back as they are.

        Args:
            weights: by name; `words.weight` has a row for each of its words.
            vocabulary: its words, in order.
        """
        given = weights.get("words.weight")
        own = self.words.weight.detach()
        if given is None or given.shape != (SPECIAL + len(vocabulary), own.shape[1]):
            return weights
        table = own.to(given.dtype, copy=True)
        table[:SPECIAL] = given[:SPECIAL]
        for row, word in enumerate(vocabulary, start=SPECIAL):
            if word in self.ids:
                table[self.ids[word]] = given[row]
        return {**weights, "words.weight": table}

    def tokenise(self, prompts: Sequence[str]) -> tuple[Tensor, tuple[str, ...]]:
        """Prompts to ids (B, 1 + length), and for each prompt what was cut off its end."""
        rows = torch.full((len(prompts), 1 + self.config.length), PADDING)
        rows[:, 0] = START
        cut = []
        for row, prompt in zip(rows, prompts, strict=True):
            words = self.split(prompt)
            kept = words[: self.config.length]
            ids = [self.ids.get(word, UNKNOWN) for word in kept]
            row[1 : 1 + len(ids)] = torch.tensor(ids, dtype=torch.long)
            cut.append(" ".join(words[len(kept) :]))
        return rows, tuple(cut)

    def embed(self, ids: Tensor) -> TextEmbedding:
        """Ids (B, 1 + length) to tokens (B, L, D), cut to the longest prompt of the batch."""
        longest = int((ids != PADDING).sum(1).max())
        ids = ids[:, :longest].to(self.positions.device)
        real = ids != PADDING
        x = self.words(ids) + self.positions[:longest]
        x = self.norm(self.blocks(x, src_key_padding_mask=~real))
        return TextEmbedding(tokens=x, mask=real, pooled=x[:, 0])

    def forward(self, prompts: Sequence[str]) -> TextEmbedding:
        """Embed a batch of prompts.

        Args:
            prompts: B sentences; words outside the vocabulary become one unknown word.

        Returns:
            tokens (B, L, D), mask (B, L), pooled (B, D), and what was cut off.
        """
        if isinstance(prompts, str):
            raise TypeError("prompts: a list of sentences is expected, not one string")
        ids, cut = self.tokenise(prompts)
        found = self.embed(ids)
        return TextEmbedding(found.tokens, found.mask, found.pooled, cut)

    def empty(self, like: TextEmbedding, negative: str = "") -> TextEmbedding:
        """The null (or negative) caption, padded to the shape of `like`."""
        one = self([negative])
        batch, length, width = like.tokens.shape
        found = min(length, one.tokens.shape[1])
        tokens = like.tokens.new_zeros(batch, length, width)
        mask = torch.zeros(batch, length, dtype=torch.bool, device=tokens.device)
        tokens[:, :found] = one.tokens[:, :found].to(tokens.dtype)
        mask[:, :found] = True
        pooled = None if one.pooled is None else one.pooled.expand(batch, -1)
        return TextEmbedding(tokens, mask, pooled, ("",) * batch)
