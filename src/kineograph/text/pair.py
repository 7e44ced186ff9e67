"""Two encoders for one prompt: T5 gives the tokens, CLIP what is pooled (Open-Sora 2.0, FLUX)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import nn

from kineograph.text.clip import CLIPConfig
from kineograph.text.padding import Unmasked
from kineograph.text.t5 import T5Config
from kineograph.types import TextEmbedding


@dataclass(frozen=True, kw_only=True)
class T5WithCLIPConfig:
    """Both encoders; the defaults are Open-Sora 2.0's: 512 tokens, and padding is text."""

    kind: Literal["t5_with_clip"] = "t5_with_clip"
    learns: ClassVar[bool] = False
    t5: T5Config = field(default_factory=lambda: T5Config(length=512, padding=Unmasked()))
    clip: CLIPConfig = field(default_factory=CLIPConfig)

    def build(self) -> "T5WithCLIP":
        """The encoders, with fresh weights."""
        return T5WithCLIP(self)


class T5WithCLIP(nn.Module):
    """T5's tokens and mask, CLIP's pooled vector."""

    def __init__(self, config: T5WithCLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.t5 = config.t5.build()
        self.clip = config.clip.build()

    def forward(self, prompts: Sequence[str]) -> TextEmbedding:
        """Embed B prompts: tokens (B, L, D), mask (B, L) or None, pooled (B, D').

        `cut` tells what did not fit into T5; CLIP's part is shorter and only pooled.
        """
        return _joined(self.t5(prompts), self.clip(prompts))

    def empty(self, like: TextEmbedding, negative: str = "") -> TextEmbedding:
        """The null (or negative) caption of both, in the shape of `like`."""
        return _joined(self.t5.empty(like, negative), self.clip.empty(like, negative))

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """Nothing: pieces of words spell every word."""
        return ()


def _joined(tokens: TextEmbedding, pooled: TextEmbedding) -> TextEmbedding:
    return TextEmbedding(tokens.tokens, tokens.mask, pooled.pooled, tokens.cut)
