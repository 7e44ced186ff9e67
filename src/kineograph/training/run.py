"""Where a run lives, and its random numbers."""

from dataclasses import dataclass
from pathlib import Path

import torch

from kineograph.types import Draws


@dataclass(frozen=True, kw_only=True)
class Run:
    """A folder and how often it is written to; the recipe says everything else.

    lpips: files with the weights of LPIPS, for losses that need them.
    """

    folder: Path
    seed: int = 0
    save_every: int = 100
    evaluate_every: int = 250
    bfloat16: bool = True
    device: str = "cpu"
    lpips: tuple[Path, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of device: `cuda` of `cuda:1`."""
        return torch.device(self.device).type


def generator_draws(seed: int) -> Draws:
    """Normal numbers from one seed, in the order in which they are asked for."""
    generator = torch.Generator().manual_seed(seed)
    return lambda shape: torch.randn(shape, generator=generator)
