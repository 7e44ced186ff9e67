"""What training sometimes takes away or gives for nothing.

Letters: B samples, L text tokens, D width, C channels, F x H x W latent cells.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from kineograph.types import Draws, Known, TextEmbedding


def chance(probability: float, count: int, draws: Draws) -> Tensor:
    """True with a probability, (count,), decided by normal numbers."""
    uniform: Tensor = torch.special.ndtr(draws((count,)))
    return uniform < probability


@dataclass(frozen=True, kw_only=True)
class TextDropout:
    """Some captions become the null caption, so that guidance has something to lean on."""

    kind: Literal["text_dropout"] = "text_dropout"
    probability: float = 0.1

    def __call__(self, text: TextEmbedding, empty: TextEmbedding, draws: Draws) -> TextEmbedding:
        """Replace the rows that are drawn; both embeddings must have the same shapes."""
        drop = chance(self.probability, len(text.tokens), draws).to(text.tokens.device)
        return replaced(text, empty, drop)


def replaced(text: TextEmbedding, empty: TextEmbedding, drop: Tensor) -> TextEmbedding:
    """Captions with the null caption where `drop`, (B,), is true; both have the same shapes."""
    return replace(
        text,
        tokens=torch.where(drop[:, None, None], empty.tokens, text.tokens),
        mask=_choose(drop, _whole(empty), _whole(text)) if _masked(text, empty) else None,
        pooled=None
        if text.pooled is None or empty.pooled is None
        else _choose(drop, empty.pooled, text.pooled),
    )


def _masked(*texts: TextEmbedding) -> bool:
    return any(text.mask is not None for text in texts)


def _whole(text: TextEmbedding) -> Tensor:
    """The mask (B, L); all true where there is none."""
    if text.mask is not None:
        return text.mask
    return torch.ones(text.tokens.shape[:2], dtype=torch.bool, device=text.tokens.device)


def _choose(drop: Tensor, one: Tensor, other: Tensor) -> Tensor:
    return torch.where(drop[:, None], one, other)


@dataclass(frozen=True, kw_only=True)
class FirstFrame:
    """Some samples know their first latent frame (LTX-Video, 2.4: one model, both tasks).

    noisiest: up to which time, in [0, 1], the known frames are noised, each to a uniformly
    random one (the same section; its value is not published). 0: they are clean.
    """

    kind: Literal["first_frame"] = "first_frame"
    probability: float = 0.3
    noisiest: float = 0.0

    def __call__(self, latents: Tensor, draws: Draws) -> Known:
        """Clean latents (B, C, F, H, W) -> what is known of them; single frames stay unknown."""
        samples, _, frames, height, width = latents.shape
        given = chance(self.probability if frames > 1 else 0.0, samples, draws).to(latents)
        strength = latents.new_zeros(samples, 1, frames, height, width)
        strength[:, :, 0] = given.view(-1, 1, 1, 1)
        known = latents * strength
        if self.noisiest > 0.0:
            time = self.noisiest * torch.special.ndtr(draws((samples,))).to(latents)
            strength = strength * (1.0 - time).view(-1, 1, 1, 1, 1)
        return Known(known, strength)
