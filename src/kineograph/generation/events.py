"""What a generation reports on its way, and the guard that stops it when numbers go bad."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from kineograph.errors import NumericsError


@dataclass(frozen=True)
class Event:
    """`step` of `total` of a stage is done; `note`: something the user should know."""

    stage: str
    step: int
    total: int
    note: str = ""


Watch = Callable[[Event], None]


def silent(event: Event) -> None:
    """Report nothing."""


def check(values: Tensor, stage: str, step: int, total: int) -> None:
    """Stop at once when something is not a number.

    Raises:
        NumericsError: naming the stage, the step and how much is wrong.
    """
    bad = int((~values.isfinite()).sum())
    if bad:
        raise NumericsError(
            f"{stage}, step {step} of {total}: {bad} of {values.numel()} values are not finite; "
            "expected all to be; the weights are damaged, or a setting (guidance, steps) is "
            "far outside of what the model was trained for"
        )
