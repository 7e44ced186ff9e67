"""Where to compute, and in which precision: the one place that names devices."""

import platform
import resource
import sys
from dataclasses import dataclass

import torch

from kineograph.errors import ConfigError


@dataclass(frozen=True)
class Place:
    """A device, and the type of numbers that its matrix products run in."""

    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> torch.autocast:
        """The context in which models run: products in `dtype`, sums and norms in float32."""
        reduced = self.dtype != torch.float32
        return torch.autocast(self.device.type, self.dtype if reduced else None, enabled=reduced)

    def memory(self) -> int:
        """The most bytes that were in use so far: of the device, or of this process on a CPU."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    def machine(self) -> str:
        """What the numbers of a computation depend on, beside weights and inputs."""
        name = f"{platform.system()} {platform.machine()}, torch {torch.__version__}"
        if self.device.type == "cuda":
            return f"{name}, {torch.cuda.get_device_name(self.device)}"
        capability = torch.backends.cpu.get_cpu_capability()
        return f"{name}, {capability}, {torch.get_num_threads()} threads"


def choose(name: str = "auto") -> Place:
    """The device of this name, in the fastest precision that it has instructions for.

    Args:
        name: `cpu`, `cuda`, `cuda:1`, `mps`, ...; `auto` takes the first accelerator.

    Raises:
        ConfigError: this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r}: {reason}; `auto` and `cpu` always work") from None
    return Place(device, torch.bfloat16 if _has_bfloat16(device) else torch.float32)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Without the instructions bfloat16 products are emulated, slower than float32.
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
