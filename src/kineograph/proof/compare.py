"""When is an output the reference's output? The passing rules, one check per tensor."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor

from kineograph.checkpoints.manifest import dims
from kineograph.errors import CheckpointError

SINGLE_PASS, TRAJECTORY, GRADIENT, LONG_SCHEDULE = 1e-4, 1e-3, 1e-3, 5e-4
MANY_TOKENS = 20_000
SMALL = 1e-3  # per number: below this a reference counts as this large
LEVELS, APART = 1, 0.01  # pictures: so many levels apart, and in so large a part of the values


@dataclass(frozen=True)
class Check:
    """One compared tensor.

    largest: largest absolute error; relative: L2 norm of the error over that of the reference;
    tolerance: what `relative` may be, 0 where values must be equal; informative: does not count.
    """

    name: str
    passed: bool
    largest: float
    relative: float
    tolerance: float
    reason: str = ""
    informative: bool = False


def tolerance(kind: str, meta: Mapping[str, Any], name: str) -> float:
    """The relative error that an output may have.

    The json's own `tolerance` (a number, or a table from name patterns to numbers) comes first.

    Raises:
        CheckpointError: the json's tolerance is neither.
    """
    stated = meta.get("tolerance")
    if isinstance(stated, Mapping):
        stated = next((t for pattern, t in stated.items() if fnmatchcase(name, pattern)), None)
    if stated is not None:
        if not isinstance(stated, int | float):
            raise CheckpointError(f"tolerance: {stated!r}; expected a number or a table of numbers")
        return float(stated)
    if name.split("/")[0].split("_")[0] == "grad":
        return GRADIENT
    parts = kind.split("/")[1:]
    if parts[:1] == ["scheduler"] and _tokens(name) > MANY_TOKENS:
        return LONG_SCHEDULE
    whole = bool(parts) and parts[0].startswith(("pipeline", "trajectory", "sample", "sampling"))
    return TRAJECTORY if whole else SINGLE_PASS


def check(name: str, ours: Tensor, reference: Tensor, allowed: float) -> Check:
    """Compare one tensor with the reference's.

    Args:
        name: of the output.
        ours: what we computed, of any shape and dtype.
        reference: what it should be.
        allowed: relative error that floats may have.
    """
    exact = not reference.is_floating_point()
    allowed = 0.0 if exact else allowed
    if ours.shape != reference.shape:
        found, expected = dims(tuple(ours.shape)), dims(tuple(reference.shape))
        return _refused(name, allowed, f"shape {found}, expected {expected}")
    if _family(ours.dtype) != _family(reference.dtype):
        found, expected = (str(t.dtype).removeprefix("torch.") for t in (ours, reference))
        return _refused(name, allowed, f"dtype {found}, expected {expected}")
    a, b = ours.detach().cpu().double(), reference.detach().cpu().double()
    holes = a.isnan()
    if not torch.equal(holes, b.isnan()):
        count = int((holes != b.isnan()).sum())
        return _refused(name, allowed, f"NaN in other places ({count} of {a.numel()} differ)")
    error = torch.where(holes | (a == b), 0.0, (a - b).abs())  # equal infinities are equal
    size = torch.where(holes | b.isinf(), 0.0, b)
    largest = float(error.max()) if error.numel() else 0.0
    floor = SMALL * float((~holes).sum()) ** 0.5
    distance, scale = float(error.norm()), max(float(size.norm()), floor)
    relative = distance / scale if distance else 0.0
    if exact:
        return _exact(name, reference, error, largest, relative)
    reason = "" if relative <= allowed else "too far from the reference"
    return Check(name, not reason, largest, relative, allowed, reason)


def same_state(ours: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> list[str]:
    """What keeps a state from being the same, bit for bit, dtypes included; empty: nothing."""
    problems = []
    missing = [name for name in reference if name not in ours]
    extra = [name for name in ours if name not in reference]
    if missing:
        problems.append(f"missing {_some(missing)}")
    if extra:
        problems.append(f"unexpected {_some(extra)}")
    for label, differs in (("dtype", _other_dtype), ("shape", _other_shape), ("values", _other)):
        names = [n for n in reference if n in ours and differs(ours[n], reference[n])]
        if names:
            problems.append(f"other {label}: {_some(names)}")
    return problems


def _exact(name: str, reference: Tensor, error: Tensor, largest: float, relative: float) -> Check:
    """Integers and masks are equal; pictures may be a level apart here and there."""
    apart = float((error > 0).double().mean()) if error.numel() else 0.0
    picture = reference.dtype == torch.uint8 and bool((reference > 1).any())
    if picture:
        near = largest <= LEVELS and apart <= APART
        reason = "" if near else f"up to {largest:g} levels apart in {apart:.2%} of the values"
    else:
        reason = f"{apart:.2%} of the values differ" if apart else ""
    return Check(name, not reason, largest, relative, 0.0, reason)


def _refused(name: str, allowed: float, reason: str) -> Check:
    return Check(name, False, float("nan"), float("nan"), allowed, reason)


def _family(dtype: torch.dtype) -> str:
    """Dtypes that may be compared: floats with floats, integers with integers."""
    if dtype in (torch.bool, torch.uint8):
        return str(dtype)
    return "float" if dtype.is_floating_point else "integer"


def _tokens(name: str) -> int:
    """Latent tokens of an LTX-Video schedule, by its name: `257x704x1216` pixels or `_n27588`."""
    if clip := re.search(r"(\d+)x(\d+)x(\d+)", name):
        frames, height, width = (int(number) for number in clip.groups())
        return ((frames - 1) // 8 + 1) * (height // 32) * (width // 32)
    count = re.search(r"_n(\d+)$", name)
    return int(count[1]) if count else 0


def _other_dtype(a: Tensor, b: Tensor) -> bool:
    return a.dtype != b.dtype


def _other_shape(a: Tensor, b: Tensor) -> bool:
    return a.shape != b.shape


def _other(a: Tensor, b: Tensor) -> bool:
    comparable = a.dtype == b.dtype and a.shape == b.shape
    return comparable and not torch.equal(_bits(a), _bits(b))


def _bits(tensor: Tensor) -> Tensor:
    """The bytes of a tensor, so that NaN equals itself and -0.0 is not 0.0."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
