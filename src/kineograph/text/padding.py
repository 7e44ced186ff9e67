"""Padding: every prompt becomes a row of the same length, and who is told which part is real.

The systems share encoders and differ in this rule alone.

Letters: B prompts, L tokens, D width.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from kineograph.types import TextEmbedding


@dataclass(frozen=True, kw_only=True)
class Masked:
    """Padding is masked in the encoder and in the denoiser.

    Open-Sora 1.2, Open-Sora Plan 1.3, LTX-Video in its authors' code.
    """

    kind: Literal["masked"] = "masked"

    def encoder(self, mask: Tensor) -> Tensor | None:
        """What the encoder is told, (B, L)."""
        return mask

    def denoiser(self, mask: Tensor) -> Tensor | None:
        """What the denoiser is told, (B, L)."""
        return mask


@dataclass(frozen=True, kw_only=True)
class MaskedLater:
    """The encoder reads padding as if it were text, the denoiser does not see it.

    LTX-Video in diffusers.
    """

    kind: Literal["masked_later"] = "masked_later"

    def encoder(self, mask: Tensor) -> Tensor | None:
        """All tokens take part."""
        return None

    def denoiser(self, mask: Tensor) -> Tensor | None:
        """What the denoiser is told, (B, L)."""
        return mask


@dataclass(frozen=True, kw_only=True)
class Unmasked:
    """Padding is read by the encoder and by the denoiser (Open-Sora 2.0)."""

    kind: Literal["unmasked"] = "unmasked"

    def encoder(self, mask: Tensor) -> Tensor | None:
        """All tokens take part."""
        return None

    def denoiser(self, mask: Tensor) -> Tensor | None:
        """All tokens are real."""
        return None


Padding = Masked | MaskedLater | Unmasked


def aligned(ids: Tensor, multiple: int, *, beside: int = 0, pad: int = 0) -> Tensor:
    """Pad further, until text and the tokens beside it can be divided evenly.

    Open-Sora 2.0 does so where text and video are one sequence on several devices.

    Args:
        ids: (B, L).
        multiple: what L + beside becomes a multiple of.
        beside: video tokens in the same sequence.
        pad: the id of padding.

    Returns:
        (B, L'), L' the least that is at least L.
    """
    more = -(ids.shape[1] + beside) % multiple
    return torch.cat((ids, ids.new_full((len(ids), more), pad)), 1)


def repeat(one: TextEmbedding, like: TextEmbedding) -> TextEmbedding:
    """One embedded caption for every row of a batch.

    Args:
        one: the caption, tokens (1, L, D).
        like: what it stands beside, tokens (B, L', D).

    Returns:
        tokens (B, L', D): where L' is larger the last token comes again (Open-Sora 2.0), masked
        where there is a mask; where it is smaller the end is left out.
    """
    samples, length = like.tokens.shape[:2]
    places = torch.arange(length, device=one.tokens.device)
    inside = places.clamp(max=one.tokens.shape[1] - 1)
    mask = one.mask
    if mask is not None:
        mask = (mask[:, inside] & (places == inside)).expand(samples, -1)
    return TextEmbedding(
        tokens=one.tokens[:, inside].expand(samples, -1, -1),
        mask=mask,
        pooled=None if one.pooled is None else one.pooled.expand(samples, -1),
        cut=("",) * samples,
    )
