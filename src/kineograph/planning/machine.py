"""Machines: how fast they multiply, and what an hour of one costs."""

import time
from dataclasses import dataclass

import torch

from kineograph.errors import ConfigError, nearest


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One device.

    speed: floating point operations a second of its matrix units, as its maker says (bfloat16,
    dense). share: of it that a whole training step reaches, with encoders and waiting; the
    stages of Open-Sora 2.0 come to 15 to 20 % (2503.09642, Table 3). dollars: an hour.
    """

    name: str
    speed: float
    share: float = 0.2
    dollars: float = 0.0

    def seconds(self, flops: float) -> float:
        """How long so many operations take."""
        return flops / (self.speed * self.share)


MACHINES = {
    one.name: one
    for one in (
        Machine(name="h200", speed=989e12, dollars=2.0),
        Machine(name="h100", speed=989e12, dollars=2.0),
        Machine(name="a100", speed=312e12, dollars=1.5),
        Machine(name="rtx4090", speed=165e12, dollars=0.4),
    )
}
"""Dollars of the H200 are those of Open-Sora 2.0 (Table 3); others are about what they rent for."""


def machine(name: str) -> Machine:
    """A machine by its name; `here` is measured.

    Raises:
        ConfigError: there is no such machine.
    """
    if name == "here":
        return here()
    if name not in MACHINES:
        raise ConfigError(f"machine {name!r}{nearest(name, ['here', *MACHINES])}")
    return MACHINES[name]


def here(size: int = 512, rounds: int = 6) -> Machine:
    """This machine's CPU, by the fastest of a few products of size x size matrices."""
    one = torch.ones(size, size)
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        one @ one
        best = min(best, time.perf_counter() - begun)
    return Machine(name="here", speed=2 * size**3 / best, share=0.6)
