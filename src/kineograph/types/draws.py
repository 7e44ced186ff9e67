"""Randomness as an argument: the only one below the command line, training and data."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

Draws = Callable[[tuple[int, ...]], Tensor]
"""Standard normal numbers of a shape: the only randomness of models and sampling."""


def seeded(seeds: Sequence[int], device: torch.device | str = "cpu") -> Draws:
    """One generator per sample, so that a row's noise does not depend on its batch.

    Args:
        seeds: one seed for each of the B rows of every shape that is asked for.
        device: where the numbers go; they are always drawn on the CPU.

    Returns:
        Draws whose shapes must begin with B = `len(seeds)`.

    Raises:
        ValueError: a shape does not begin with the number of seeds.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw(shape: tuple[int, ...]) -> Tensor:
        if shape[0] != len(generators):
            raise ValueError(f"draws of shape {shape}: expected {len(generators)} rows")
        rows = [torch.randn(shape[1:], generator=generator) for generator in generators]
        return torch.stack(rows).to(device)

    return draw


def replayed(tensors: Sequence[Tensor]) -> Draws:
    """Stored draws, in their order.

    Raises:
        ValueError: a shape differs from the stored one, or there are no more draws.
    """
    stored: Iterator[Tensor] = iter(tensors)

    def draw(shape: tuple[int, ...]) -> Tensor:
        tensor = next(stored, None)
        if tensor is None:
            raise ValueError(f"draws of shape {shape}: all {len(tensors)} stored draws are used")
        if tuple(tensor.shape) != tuple(shape):
            raise ValueError(f"draws of shape {shape}: the stored one is {tuple(tensor.shape)}")
        return tensor

    return draw
