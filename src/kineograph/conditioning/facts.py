"""Facts about a clip as tensors, under the names that `Condition` lists."""

from dataclasses import asdict, dataclass

from torch import Tensor, full
from torch import device as Device


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is true of every clip of a batch.

    fps: frames per second. frames; height, width: pixels. crop_top, crop_left: how many pixels
    of the original were cut off above and to the left. stride: the clip's frames lie so many
    frames of the original apart.
    """

    fps: float
    frames: int
    height: int
    width: int
    crop_top: int = 0
    crop_left: int = 0
    stride: int = 1

    def tensors(self, samples: int, device: Device) -> dict[str, Tensor]:
        """Each fact for each of B samples, (B,) in float32."""
        return {
            name: full((samples,), float(value), device=device)
            for name, value in asdict(self).items()
        }
