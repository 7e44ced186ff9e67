"""Facts about a clip as tensors, under the names that `Condition` lists."""

from torch import Tensor, full
from torch import device as Device


def facts(
    samples: int, *, fps: float, frames: int, height: int, width: int, device: Device
) -> dict[str, Tensor]:
    """The facts that every clip has, each (B,): frames per second, frames, and pixels."""
    values = {"fps": fps, "frames": float(frames), "height": float(height), "width": float(width)}
    return {name: full((samples,), value, device=device) for name, value in values.items()}
