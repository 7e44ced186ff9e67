"""Joint guidance: text and given frames are taken away together (STIV, 2412.07730, 2.3.2).

Letters: B samples, C channels, F x H x W latent cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from kineograph.types import Condition, Known, Step, TextEmbedding


@dataclass(frozen=True, kw_only=True)
class AsGuided:
    """The length that guidance gives."""

    kind: Literal["as_guided"] = "as_guided"

    def __call__(self, guided: Tensor, wanted: Tensor, known: Known | None) -> Tensor:
        """(B, C, F, H, W), unchanged."""
        return guided


@dataclass(frozen=True, kw_only=True)
class WantedLength:
    """The length of the conditional output (STIV, appendix D): F * |wanted| / |F|.

    One length for each sample, so that the direction of the whole field stays.
    """

    kind: Literal["wanted_length"] = "wanted_length"

    def __call__(self, guided: Tensor, wanted: Tensor, known: Known | None) -> Tensor:
        """Both (B, C, F, H, W) -> the first with the second's length."""
        return guided * (_length(wanted) / _length(guided))


@dataclass(frozen=True, kw_only=True)
class FreeLength:
    """The same as `WantedLength`, measured where nothing is given: what is given is not used."""

    kind: Literal["free_length"] = "free_length"

    def __call__(self, guided: Tensor, wanted: Tensor, known: Known | None) -> Tensor:
        """Both (B, C, F, H, W) -> the first with the second's length."""
        if known is None:
            return WantedLength()(guided, wanted, known)
        free = known.strength.amin(1, keepdim=True) < 1.0
        return guided * (_length(wanted * free) / _length(guided * free))


Renormalise: TypeAlias = AsGuided | WantedLength | FreeLength


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Away from what the denoiser says without the text and without the given frames.

    scale: 1 is no guidance and costs nothing. Without given frames this is classifier-free
    guidance. renormalise: the length of the result.
    """

    kind: Literal["joint"] = "joint"
    scale: float = 7.5
    renormalise: Renormalise = field(default_factory=FreeLength)

    @property
    def disturbs(self) -> int:
        """How many of the denoiser's blocks it can disturb."""
        return 0

    def scaled(self, scale: float) -> "Joint":
        """The same at another scale."""
        return replace(self, scale=scale)

    def branches(
        self, condition: Condition, empty: TextEmbedding, step: Step
    ) -> tuple[Condition, ...]:
        """Nothing at all first, then the condition."""
        if self.scale == 1.0:
            return (condition,)
        return (replace(condition, text=empty, known=None), condition)

    def combine(self, outputs: Sequence[Tensor], step: Step, condition: Condition) -> Tensor:
        """(B, C, F, H, W) per branch -> one."""
        if self.scale == 1.0:
            return outputs[-1]
        null, wanted = outputs
        return self.renormalise(null + self.scale * (wanted - null), wanted, condition.known)


def _length(x: Tensor) -> Tensor:
    """(B, C, F, H, W) -> (B, 1, 1, 1, 1), never 0."""
    axes = tuple(range(1, x.ndim))
    length: Tensor = torch.linalg.vector_norm(x, dim=axes, keepdim=True)
    return length.clamp_min(1e-12)
