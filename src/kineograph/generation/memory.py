"""How much memory a device has left, and how much of it the autoencoder may take."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import torch

from kineograph.autoencoders.bounded import Bounded
from kineograph.autoencoders.pieces import Divisible
from kineograph.errors import ConfigError

SHARE = 0.8
"""Of the free memory, unless a limit is given."""
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {f"{unit}I": 1024**power for power, unit in enumerate("KMGT", start=1)}
GROUP = Path("/sys/fs/cgroup")


def bounded(
    autoencoder: Divisible, limit: int | None, device: torch.device, tell: Callable[[str], None]
) -> Bounded:
    """An autoencoder that stays within a limit in bytes; None: a share of what is free now."""
    return Bounded(autoencoder, int(SHARE * free(device)) if limit is None else limit, tell)


def size(text: str) -> int:
    """Bytes in words such as 4GB, 500 MB or 2GiB.

    Raises:
        ConfigError: it is something else.
    """
    found = re.fullmatch(r"\s*([0-9]+\.?[0-9]*)\s*([KMGT]I?|)B?\s*", text.upper())
    if found is None or float(found[1]) == 0:
        raise ConfigError(f"{text!r}: expected a size above 0, e.g. 4GB or 500MB")
    return int(float(found[1]) * UNITS[found[2]])


def free(device: torch.device) -> int:
    """Bytes that are free on a device at this moment."""
    if device.type != "cpu":
        return int(torch.accelerator.get_memory_info(device)[0])
    return min(_system(), _group())


def _system() -> int:
    """What the machine could give without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux: half of what there is
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    table = dict(line.split(":", 1) for line in lines)
    return int(table["MemAvailable"].split()[0]) * 1024


def _group() -> int:
    """What a container's limit leaves; without one, more than there is."""
    try:
        most = (GROUP / "memory.max").read_text(encoding="ascii").strip()
        used = (GROUP / "memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return 1 << 62
    return 1 << 62 if most == "max" else max(0, int(most) - int(used))
