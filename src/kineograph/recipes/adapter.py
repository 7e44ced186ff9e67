"""Which layers of a denoiser get low-rank changes (LoRA, arXiv:2106.09685), and how large."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class LoRA:
    """Train low-rank changes of a denoiser instead of its weights.

    rank: R; alpha: the change is alpha / R times the product of both factors; layers: name
    patterns of the linear layers that are changed; dropout: of what goes into a change.
    """

    kind: Literal["lora"] = "lora"
    rank: int = 16
    alpha: float = 16.0
    layers: tuple[str, ...] = ("*attention*", "*mlp*")
    dropout: float = 0.0
