"""Line drawings of frames: Canny's edges, and a pencil sketch.

Shapes: any leading axes, then Y x X pixels.
"""

import torch
from torch import Tensor
from torch.nn import functional as nnf

BLUR = (0.0545, 0.2442, 0.4026, 0.2442, 0.0545)
"""A Gaussian of one pixel, cut at two."""


@torch.no_grad()
def canny(frames: Tensor, *, low: float = 24.0, high: float = 60.0) -> Tensor:
    """Edges one pixel wide (Canny 1986): frames (..., Y, X, 3) uint8 to (..., Y, X), 0 or 255.

    Args:
        frames: pictures.
        low, high: brightness per pixel, of 255: an edge holds one point steeper than `high`, and
            goes on while it is steeper than `low`.
    """
    along_x, along_y = _gradient(frames)
    steep = torch.hypot(along_x, along_y)
    ridge = steep * (steep >= _across(steep, along_x, along_y))
    weak, strong = (ridge > low).float(), (ridge > high).float()
    while True:
        grown = nnf.max_pool2d(strong, 3, stride=1, padding=1) * weak
        if torch.equal(grown, strong):
            break
        strong = grown
    return (strong * 255).to(torch.uint8).reshape(frames.shape[:-1])


@torch.no_grad()
def sketch(frames: Tensor) -> Tensor:
    """A pencil drawing, dark where it is steep: (..., Y, X, 3) uint8 to (..., Y, X) uint8."""
    steep = torch.hypot(*_gradient(frames))
    paper = 255 * (1 - ((steep - 12) / 80).clamp(0, 1).sqrt())
    return paper.round().to(torch.uint8).reshape(frames.shape[:-1])


def _gradient(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Brightness per pixel along x and y of slightly blurred frames, (M, 1, Y, X) each."""
    red, green, blue = frames.reshape(-1, *frames.shape[-3:]).float().unbind(dim=-1)
    grey = (0.299 * red + 0.587 * green + 0.114 * blue)[:, None]
    kernel = grey.new_tensor(BLUR)
    grey = nnf.conv2d(nnf.pad(grey, (2, 2, 0, 0), mode="replicate"), kernel.reshape(1, 1, 1, 5))
    grey = nnf.conv2d(nnf.pad(grey, (0, 0, 2, 2), mode="replicate"), kernel.reshape(1, 1, 5, 1))
    wide = nnf.pad(grey, (1, 1, 1, 1), mode="replicate")
    smooth = grey.new_tensor([1.0, 2.0, 1.0]) / 4
    slope = grey.new_tensor([-1.0, 0.0, 1.0]) / 2
    across = (smooth[:, None] * slope).reshape(1, 1, 3, 3)
    return nnf.conv2d(wide, across * 4), nnf.conv2d(wide, across.transpose(2, 3) * 4)


def _across(steep: Tensor, along_x: Tensor, along_y: Tensor) -> Tensor:
    """The steeper of the two neighbours across the edge, in one of four directions."""
    wide = nnf.pad(steep, (1, 1, 1, 1))
    rows, cols = steep.shape[-2:]

    def pair(down: int, right: int) -> Tensor:
        one = wide[..., 1 + down : 1 + down + rows, 1 + right : 1 + right + cols]
        other = wide[..., 1 - down : 1 - down + rows, 1 - right : 1 - right + cols]
        return torch.maximum(one, other)

    slant = along_y.abs() / along_x.abs().clamp(min=1e-6)
    flat, upright = slant < 0.4142, slant > 2.4142
    falling = along_x * along_y > 0
    diagonal = torch.where(falling, pair(1, 1), pair(1, -1))
    return torch.where(flat, pair(0, 1), torch.where(upright, pair(1, 0), diagonal))
