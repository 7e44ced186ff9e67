"""Where a run lives, and its random numbers."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.nn.linear import bfloat16_units
from kineograph.parallel.recompute import (
    AllButAttention,
    EveryBlock,
    FirstBlocks,
    Nothing,
    Recompute,
)
from kineograph.recipes.stages import AutoencoderStage, Stage
from kineograph.types import Draws

StageT = TypeVar("StageT", Stage, AutoencoderStage)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A folder and how often it is written to; the recipe says everything else.

    lpips: files with the weights of LPIPS, for losses that need them. recompute: which blocks of
    a denoiser are computed again on the way back. track: names of trackers beside the journal.
    workers: processes that draw an autoencoder's next clips; 0: they are drawn when needed.
    """

    folder: Path
    seed: int = 0
    save_every: int = 100
    evaluate_every: int = 250
    bfloat16: bool = True
    device: str = "cpu"
    lpips: tuple[Path, ...] = ()
    recompute: Recompute = field(default_factory=Nothing)
    track: tuple[str, ...] = ()
    workers: int = 0

    @property
    def kind(self) -> str:
        """The kind of device: `cuda` of `cuda:1`."""
        return torch.device(self.device).type


def halved(device: str, wanted: bool = True) -> torch.autocast:
    """Compute in bfloat16 from here on, if that is wanted and the device is quick at it.

    A CPU without units for it takes ten times as long as in float32.
    """
    kind = torch.device(device).type
    return torch.autocast(
        kind, torch.bfloat16, enabled=wanted and (kind != "cpu" or bfloat16_units())
    )


def generator_draws(seed: int, device: str = "cpu") -> Draws:
    """Normal numbers from one seed, in the order in which they are asked for.

    What has the shape of clips or latents, (B, C, F, H, W), is drawn on the device: a CPU would
    take as long for it as an accelerator for a whole step.
    """
    small = torch.Generator().manual_seed(seed)
    if torch.device(device).type == "cpu":
        return lambda shape: torch.randn(shape, generator=small)
    large = torch.Generator(device).manual_seed(seed)

    def draw(shape: tuple[int, ...]) -> Tensor:
        if len(shape) == 5:
            return torch.randn(shape, generator=large, device=device)
        return torch.randn(shape, generator=small)

    return draw


def shortened(stages: tuple[StageT, ...], steps: int) -> tuple[StageT, ...]:
    """Stages that take so many steps together, each the same share of them as before.

    Raises:
        ConfigError: there are fewer steps than stages.
    """
    if steps < len(stages):
        raise ConfigError(f"{steps} steps: expected at least {len(stages)}, one for each stage")
    whole = sum(stage.schedule.steps for stage in stages)
    found, before, done = [], 0, 0
    for number, stage in enumerate(stages, start=1):
        before += stage.schedule.steps
        left = steps - (len(stages) - number)  # each of those that follow needs one
        until = min(max(done + 1, round(steps * before / whole)), left)
        found.append(replace(stage, schedule=replace(stage.schedule, steps=until - done)))
        done = until
    return tuple(found)


def recompute(text: str) -> Recompute:
    """What a command line asks for: nothing, blocks, all-but-attention, or counts such as 8,16.

    Raises:
        ConfigError: anything else.
    """
    match text:
        case "nothing":
            return Nothing()
        case "blocks":
            return EveryBlock()
        case "all-but-attention":
            return AllButAttention()
    counts = text.split(",")
    if not all(count.strip().isdecimal() for count in counts):
        raise ConfigError(
            f"recompute {text!r}: expected nothing, blocks, all-but-attention, or how many of the "
            "first blocks of each kind, such as 8,16"
        )
    return FirstBlocks(counts=tuple(int(count) for count in counts))
