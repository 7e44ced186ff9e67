"""Skip-layer guidance: away from what the denoiser says with some of its layers disturbed.

Hyung et al., "Spatiotemporal Skip Guidance" (2411.18664), as LTX-Video 0.9.1 and later use it
together with classifier-free guidance.

Letters: B samples, C channels, F x H x W latent cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.types import Condition, Inside, Skip, Step, TextEmbedding


@dataclass(frozen=True, kw_only=True)
class Phase:
    """How strong guidance is during a part of the schedule.

    since: the phase begins when time has fallen below that of the phase before it, and lasts
    to this time, in [0, 1]. text: away from the negative caption, 1 is not at all. skip: away
    from the disturbed layers, 0 is not at all. rescale: in [0, 1], how far each sample's
    standard deviation is brought back to that of the undisturbed output; only where layers
    are disturbed. layers: which ones, counted from 0.
    """

    since: float = 0.0
    text: float = 3.0
    skip: float = 1.0
    rescale: float = 0.3
    layers: tuple[int, ...] = (19,)


@dataclass(frozen=True, kw_only=True)
class AsSaid:
    """The negative output as it is."""

    kind: Literal["as_said"] = "as_said"

    def __call__(self, negative: Tensor, wanted: Tensor) -> Tensor:
        """(B, C, F, H, W), unchanged."""
        return negative


@dataclass(frozen=True, kw_only=True)
class Projected:
    """The negative output, scaled to lie as near to the wanted one as it can (CFG-Zero*).

    Fan et al., 2503.18886, 4.1.
    """

    kind: Literal["projected"] = "projected"

    def __call__(self, negative: Tensor, wanted: Tensor) -> Tensor:
        """Both (B, C, F, H, W) -> the first, times a number for each sample."""
        axes = tuple(range(1, negative.ndim))
        overlap = (wanted * negative).sum(axes, keepdim=True)
        return negative * (overlap / (negative.square().sum(axes, keepdim=True) + 1e-8))


Negative: TypeAlias = AsSaid | Projected


@dataclass(frozen=True, kw_only=True)
class Disturbed:
    """The third branch is disturbed, whatever the batch."""

    kind: Literal["disturbed"] = "disturbed"

    def rows(self, samples: int, branches: int, branch: int) -> Tensor:
        """Which of a branch's B rows are disturbed, (B,)."""
        return torch.full((samples,), branch == branches - 1)


@dataclass(frozen=True, kw_only=True)
class EveryLast:
    """Row 2, 5, 8, ... of all branches' rows, as the reference counts.

    That is the third branch for a single sample only; for comparison with the reference.
    """

    kind: Literal["every_last"] = "every_last"

    def rows(self, samples: int, branches: int, branch: int) -> Tensor:
        """Which of a branch's B rows are disturbed, (B,)."""
        return (torch.arange(samples) + branch * samples) % branches == branches - 1


@dataclass(frozen=True, kw_only=True)
class SkipLayer:
    """Classifier-free and skip-layer guidance, each only while it does something.

    blocks: how many the denoiser has. how: what a disturbed self-attention does, as in `Skip`.
    phases: the first one whose `since` has been reached counts, else the last. negative: what
    becomes of the negative output. disturbed: which rows of the batch are.
    """

    kind: Literal["skip_layer"] = "skip_layer"
    blocks: int = 28
    how: Literal["values", "attention", "block"] = "values"
    phases: tuple[Phase, ...] = (Phase(),)
    negative: Negative = field(default_factory=AsSaid)
    disturbed: Disturbed | EveryLast = field(default_factory=Disturbed)

    def __post_init__(self) -> None:
        if not self.phases:
            raise ConfigError("phases = (): expected at least one; nearest: (Phase(),)")
        for phase in self.phases:
            wrong = [layer for layer in phase.layers if not 0 <= layer < self.blocks]
            if wrong:
                raise ConfigError(
                    f"layers {wrong}: expected numbers from 0 to {self.blocks - 1}, as the "
                    f"denoiser has {self.blocks} blocks; nearest: {self.blocks - 1}"
                )

    @property
    def scale(self) -> float | None:
        """The scale that one number from outside stands for: the text's, if it never changes."""
        scales = {phase.text for phase in self.phases}
        return scales.pop() if len(scales) == 1 else None

    @property
    def disturbs(self) -> int:
        """How many of the denoiser's blocks it can disturb."""
        return self.blocks

    def scaled(self, scale: float) -> "SkipLayer":
        """The same with another scale of the text.

        Raises:
            ConfigError: its phases have scales of their own.
        """
        if self.scale is None:
            raise ConfigError(
                f"guidance {scale:g}: this model's guidance has {len(self.phases)} phases with "
                f"scales of their own, {', '.join(f'{phase.text:g}' for phase in self.phases)}; "
                "expected none, or set them one by one: --set guidance.phases.0.text="
                f"{scale:g}"
            )
        return replace(self, phases=tuple(replace(phase, text=scale) for phase in self.phases))

    def at(self, step: Step) -> Phase:
        """The phase of a step; its time is that of the noisiest cell."""
        time = step.time.amax()
        reached = (phase for phase in self.phases if bool(time >= phase.since))
        return next(reached, self.phases[-1])

    def branches(
        self, condition: Condition, empty: TextEmbedding, step: Step
    ) -> tuple[Condition, ...]:
        """The negative caption, the condition, the condition with disturbed layers."""
        phase = self.at(step)
        negative = (replace(condition, text=empty),) if phase.text > 1.0 else ()
        plain = (*negative, condition)
        if phase.skip <= 0.0:
            return plain
        every = (*plain, condition)
        return tuple(
            self._disturb(one, phase, len(every), index) for index, one in enumerate(every)
        )

    def combine(self, outputs: Sequence[Tensor], step: Step, condition: Condition) -> Tensor:
        """(B, C, F, H, W) per branch -> one."""
        phase = self.at(step)
        guided = phase.text > 1.0
        result = wanted = outputs[1 if guided else 0]
        if guided:
            negative = self.negative(outputs[0], wanted)
            result = negative + phase.text * (wanted - negative)
        if phase.skip <= 0.0:
            return result
        result = result + phase.skip * (wanted - outputs[-1])
        if phase.rescale == 0.0:
            return result
        axes = tuple(range(1, result.ndim))
        factor = wanted.std(axes, keepdim=True) / result.std(axes, keepdim=True)
        return result * (phase.rescale * factor + 1.0 - phase.rescale)

    def _disturb(self, condition: Condition, phase: Phase, branches: int, branch: int) -> Condition:
        """The same condition with those layers and rows disturbed that are to be."""
        tokens = condition.text.tokens
        rows = self.disturbed.rows(len(tokens), branches, branch).to(tokens.device)
        keep = torch.ones(self.blocks, len(tokens), device=tokens.device)
        keep[list(phase.layers)] = 1.0 - rows.float()
        inside = Inside(Skip(keep, self.how), condition.inside.features)
        return replace(condition, inside=inside)
