"""`kineograph doctor`: what this machine has, what is missing, and why."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

ACCELERATORS = {
    "flash-attn": "attention on NVIDIA GPUs",
    "xformers": "attention on NVIDIA GPUs",
    "sageattention": "attention in 8 bits on NVIDIA GPUs",
    "triton": "kernels that torch.compile writes, on GPUs",
    "torchcodec": "reading videos, also on GPUs",
    "bitsandbytes": "weights and optimisers in 8 bits, on GPUs",
}
"""Packages that make others quicker, and what; nothing here needs them, torch may use them."""
ANYWHERE = {"torchcodec"}
"""Those that are of use without a GPU."""


@dataclass(frozen=True)
class Finding:
    """One thing. state: `ok`, `missing` (optional) or `bad` (nothing works without it)."""

    name: str
    state: Literal["ok", "missing", "bad"]
    words: str


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Say what this machine has, what is missing, and why."""

    format: Annotated[Literal["text", "json"], "json: for other programs"] = "text"

    def run(self) -> int:
        """Print what was found; exit code 1 where something needed is missing."""
        found = []
        for one in findings():
            found.append(one)
            if self.format == "text":
                print(f"{one.state:8} {one.name:24} {one.words}", flush=True)
        if self.format == "json":
            print(json.dumps([asdict(one) for one in found], indent=2))
        return 1 if any(one.state == "bad" for one in found) else 0


def findings() -> Iterator[Finding]:
    """Everything, quick things first."""
    version = platform.python_version()
    fine = sys.version_info >= (3, 11)
    yield Finding("python", "ok" if fine else "bad", f"{version}, needs 3.11 or newer")
    yield Finding("system", "ok", f"{platform.system()} {platform.machine()}")
    threads = os.environ.get("OMP_NUM_THREADS")
    said = f", OMP_NUM_THREADS={threads}" if threads else ""
    yield Finding("processors", "ok", f"{len(_processors())} usable{said}")
    yield _memory()
    room = shutil.disk_usage(Path.cwd()).free
    yield Finding("disk", "ok" if room > 1 << 30 else "missing", f"{room / 1e9:.1f} GB free here")
    yield from _packages()
    yield from _accelerators()
    yield from _torch()


def _processors() -> set[int]:
    """What this process may run on."""
    if sys.platform == "linux":
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _memory() -> Finding:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return Finding("memory", "ok", f"{total / 1e9:.1f} GB")
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    return Finding("memory", "ok", f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free")


def _packages() -> Iterator[Finding]:
    """Each requirement of the package as it is installed, those of extras last."""
    needed: list[tuple[str, str]] = []
    optional: list[tuple[str, str]] = []
    for line in metadata.requires("kineograph") or ():
        requirement, _, marker = line.partition(";")
        (optional if "extra" in marker else needed).append((requirement.strip(), marker.strip()))
    for requirement, _ in needed:
        yield _package(requirement, "bad", "make it again with `make install`")
    for requirement, marker in optional:
        extra = marker.split("extra ==")[-1].strip(" '\"")
        if extra not in {"test", "dev"}:
            hint = f"only for extra {extra!r}: pip install 'kineograph[{extra}]'"
            yield _package(requirement, "missing", hint)


def _accelerators() -> Iterator[Finding]:
    """Each optional package by itself: its version, or why it is not there."""
    try:
        plain = "+cpu" in metadata.version("torch")
    except metadata.PackageNotFoundError:
        plain = False
    for name, use in ACCELERATORS.items():
        try:
            yield Finding(name, "ok", f"{metadata.version(name)}; for {use}")
        except metadata.PackageNotFoundError:
            idle = plain and name not in ANYWHERE
            why = (
                "of no use to this torch, which is built for CPUs only" if idle else "never needed"
            )
            yield Finding(name, "missing", f"not installed; for {use}; {why}")


def _package(requirement: str, state: Literal["missing", "bad"], hint: str) -> Finding:
    """A requirement such as `av>=16`: found in a new enough version, too old, or not there."""
    name, _, least = requirement.partition(">=")
    name = name.split("[")[0].strip()
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, state, f"not installed; {hint}")
    if least and _numbers(found) < _numbers(least):
        return Finding(name, state, f"{found} is older than {least}; {hint}")
    return Finding(name, "ok", found)


def _numbers(version: str) -> tuple[int, ...]:
    """`2.13.0+cpu` -> (2, 13, 0)."""
    public = version.split("+")[0].split(".")
    return tuple(int(piece) for piece in public if piece.isdecimal())


def _torch() -> Iterator[Finding]:
    """What torch sees; imported last, because that takes a second."""
    try:
        import torch
    except ImportError as error:
        yield Finding("torch", "bad", f"cannot be imported: {error}")
        return
    capability = torch.backends.cpu.get_cpu_capability()
    yield Finding(
        "torch runs", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads, {capability}"
    )
    from kineograph.nn.linear import bfloat16_units

    units = bfloat16_units()
    words = "this CPU has units for it" if units else "no units in this CPU; float32 is quicker"
    yield Finding("bfloat16", "ok" if units else "missing", words)
    if not torch.accelerator.is_available():
        reason = (
            "this torch is built for CPUs only" if "+cpu" in torch.__version__ else "none found"
        )
        yield Finding("accelerator", "missing", f"{reason}; everything runs on the CPU, slower")
        return
    for index in range(torch.accelerator.device_count()):
        free, total = torch.accelerator.get_memory_info(index)
        kind = torch.accelerator.current_accelerator()
        words = f"{kind} {index}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free"
        yield Finding("accelerator", "ok", words)
