"""The parts that training and sampling must share."""

from dataclasses import dataclass

from kineograph.types import Injection, Path, Prediction


@dataclass(frozen=True, kw_only=True)
class Process:
    """How data is destroyed, what the denoiser says about it, how given frames enter."""

    path: Path
    prediction: Prediction
    injection: Injection
