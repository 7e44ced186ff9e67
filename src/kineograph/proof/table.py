"""Tables of input and output pairs: stored values of any kind as tensors that can be compared."""

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kineograph.proof.vector import Results


class Table:
    """Pairs of our value and the stored one, named one by one."""

    def __init__(self) -> None:
        self.ours: dict[str, Tensor] = {}
        self.stored: dict[str, Tensor] = {}
        self.informative: set[str] = set()

    def same(self, name: str, ours: object, stored: object) -> None:
        """Values that must be equal: texts, whole numbers, truths, nothing, and lists of them."""
        self.ours[name], self.stored[name] = _coded(ours), _coded(stored)

    def close(self, name: str, ours: Any, stored: Any, *, counts: bool = True) -> None:
        """Numbers, or nested lists of equal length, that must agree within the tolerance.

        Texts such as "nan" stand for what JSON cannot hold.
        """
        self.ours[name], self.stored[name] = _floats(ours), _floats(stored)
        if not counts:
            self.informative.add(name)

    def results(self, outputs: dict[str, Tensor] | None = None) -> Results:
        """Everything that was collected, beside outputs that the vector holds as tensors."""
        return Results(
            {**(outputs or {}), **self.ours},
            expected=self.stored,
            informative=frozenset(self.informative),
        )


def _coded(value: object) -> Tensor:
    """A value as the bytes of its JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return torch.tensor(list(text.encode()), dtype=torch.int64)


def _floats(value: Any) -> Tensor:
    return torch.tensor(_numbers(value), dtype=torch.float64)


def _numbers(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_numbers(one) for one in value]
    return float(value)
