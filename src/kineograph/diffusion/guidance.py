"""Guidance: which conditions a step looks at, and how the raw outputs become one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.types import Condition, Step, TextEmbedding


@dataclass(frozen=True, kw_only=True)
class Off:
    """The condition alone."""

    kind: Literal["off"] = "off"

    @property
    def scale(self) -> float:
        """The scale that one number from outside stands for: 1, which is none."""
        return 1.0

    @property
    def disturbs(self) -> int:
        """How many of the denoiser's blocks it can disturb."""
        return 0

    def scaled(self, scale: float) -> "ClassifierFree":
        """Guidance by the text at another scale."""
        return ClassifierFree(scale=scale)

    def branches(
        self, condition: Condition, empty: TextEmbedding, step: Step
    ) -> tuple[Condition, ...]:
        """The conditions to run."""
        return (condition,)

    def combine(self, outputs: Sequence[Tensor], step: Step, condition: Condition) -> Tensor:
        """(B, C, F, H, W), unchanged."""
        return outputs[0]


@dataclass(frozen=True, kw_only=True)
class ClassifierFree:
    """Away from the null (or negative) caption by a factor (Ho & Salimans, 2022).

    scale: 1 is no guidance and costs nothing. rescale: in [0, 1], how far each sample's
    standard deviation is brought back to that of the conditional output (Lin et al., 2023,
    3.4). interval: the smallest and largest time in [0, 1] at which it guides (Kynkaanniemi et
    al., 2404.07724); a step outside looks at the condition alone, and costs half. None: always.
    """

    kind: Literal["classifier_free"] = "classifier_free"
    scale: float
    rescale: float = 0.0
    interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.interval is not None and not 0 <= self.interval[0] <= self.interval[1] <= 1:
            low, high = sorted(min(1.0, max(0.0, time)) for time in self.interval)
            raise ConfigError(
                f"interval {list(self.interval)}: expected two times in [0, 1], the smaller one "
                f"first; nearest: [{low:g}, {high:g}]"
            )

    @property
    def disturbs(self) -> int:
        """How many of the denoiser's blocks it can disturb."""
        return 0

    def scaled(self, scale: float) -> "ClassifierFree":
        """The same at another scale."""
        return replace(self, scale=scale)

    def branches(
        self, condition: Condition, empty: TextEmbedding, step: Step
    ) -> tuple[Condition, ...]:
        """The null caption first, then the condition; the condition alone outside the interval."""
        if self.scale == 1.0 or not self._guides(step):
            return (condition,)
        return (replace(condition, text=empty), condition)

    def combine(self, outputs: Sequence[Tensor], step: Step, condition: Condition) -> Tensor:
        """(B, C, F, H, W) per branch -> one."""
        if len(outputs) == 1:
            return outputs[0]
        null, wanted = outputs
        guided = null + self.scale * (wanted - null)
        if self.rescale == 0.0:
            return guided
        axes = tuple(range(1, guided.ndim))
        factor = wanted.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
        return guided * (self.rescale * factor + 1.0 - self.rescale)

    def _guides(self, step: Step) -> bool:
        if self.interval is None:
            return True
        low, high = self.interval
        return low <= float(step.time.max()) <= high  # given frames may have earlier times
