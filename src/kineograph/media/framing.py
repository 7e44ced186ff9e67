"""How the published systems bring frames to a size; each differs in filter, order and rounding.

Ours are `cover` and `fit` in `media.resize`; these serve who goes on with a published model.

Letters: T frames of Y x X pixels.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from kineograph.errors import MediaError
from kineograph.media.resize import crop, to_unit


@dataclass(frozen=True, kw_only=True)
class CoverClip:
    """Clips of Open-Sora 1.x and 2.0: bilinear without smoothing, then the middle.

    Floating point from the beginning; half a pixel too much is cut below and right.
    """

    kind: Literal["cover_clip"] = "cover_clip"

    def __call__(self, frames: Tensor, height: int, width: int) -> Tensor:
        """(T, Y, X, 3) uint8 -> a video (1, 3, T, height, width) float32 in [-1, 1]."""
        size = covering((frames.shape[1], frames.shape[2]), (height, width))
        planes = frames.permute(0, 3, 1, 2).float() / 255.0
        planes = interpolate(planes, size, mode="bilinear", align_corners=False)
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        planes = planes[..., top : top + height, left : left + width]
        return (planes - 0.5).div(0.5).transpose(0, 1).unsqueeze(0)


@dataclass(frozen=True, kw_only=True)
class CoverPicture:
    """Pictures of Open-Sora 1.x and 2.0: bicubic and smoothed, in whole levels, then the middle.

    Half a pixel too much is cut where an even number of pixels is left above or left.
    """

    kind: Literal["cover_picture"] = "cover_picture"

    def __call__(self, frames: Tensor, height: int, width: int) -> Tensor:
        """(T, Y, X, 3) uint8 -> a video (1, 3, T, height, width) float32 in [-1, 1]."""
        return to_unit(self.levels(frames, height, width))

    def levels(self, frames: Tensor, height: int, width: int) -> Tensor:
        """(T, Y, X, 3) uint8 -> (T, height, width, 3) uint8."""
        down, across = covering((frames.shape[1], frames.shape[2]), (height, width))
        top, left = round((down - height) / 2), round((across - width) / 2)
        pictures = [
            np.asarray(
                Image.fromarray(one.numpy()).resize((across, down), Image.Resampling.BICUBIC)
            )
            for one in frames.cpu()
        ]
        large = torch.from_numpy(np.stack(pictures))
        return large[:, top : top + height, left : left + width].contiguous()


@dataclass(frozen=True, kw_only=True)
class CutThenScale:
    """Open-Sora Plan 1.3 at a fixed size: the middle of that shape, then smoothed bilinear.

    Its text-to-video training scales numbers in [0, 1], its inpainting whole levels.
    """

    kind: Literal["cut_then_scale"] = "cut_then_scale"

    def __call__(self, frames: Tensor, height: int, width: int) -> Tensor:
        """(T, Y, X, 3) uint8 or float -> (T, height, width, 3) of the same dtype."""
        have, across = frames.shape[1:3]
        shape = height / width
        if have / across > shape:
            down, right = int(across * shape), across
        else:
            down, right = have, int(have / shape)
        return smoothed(middle(frames, down, right), height, width)


@dataclass(frozen=True, kw_only=True)
class ScaleThenCut:
    """Open-Sora Plan 1.3 in any shape: down to an area, then the middle in whole strides."""

    kind: Literal["scale_then_cut"] = "scale_then_cut"
    most: int = 236544
    stride: int = 32

    def __call__(self, frames: Tensor) -> Tensor:
        """(T, Y, X, 3) uint8 or float -> (T, Y', X', 3) of the same dtype, never larger."""
        height, width = frames.shape[1:3]
        size = within(height, width, self.most)
        if size != (height, width):
            frames = smoothed(frames, *size)
        sides = whole(size, self.stride)
        if not all(sides):
            raise MediaError(
                f"frames of {width}x{height}: expected at least {self.stride}x{self.stride} pixels "
                f"within an area of {self.most}"
            )
        return crop(frames, *sides)


def covering(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """The smallest (Y, X) of a picture's own shape that covers a size; one side is exact.

    Raises:
        MediaError: a side is less than 1.
    """
    if min(*size, *wanted) < 1:
        raise MediaError(
            f"size {wanted[1]}x{wanted[0]} of {size[1]}x{size[0]}: expected at least 1x1"
        )
    tall, wide = wanted[0] / size[0], wanted[1] / size[1]
    if tall > wide:
        return wanted[0], round(size[1] * tall)
    return round(size[0] * wide), wanted[1]


def within(height: int, width: int, most: int) -> tuple[int, int]:
    """The size (Y, X) of a picture scaled down to an area, rounded down; never enlarged."""
    if height * width <= most:
        return height, width
    factor = math.sqrt(most / (height * width))
    return int(height * factor), int(width * factor)


def whole(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """The largest multiples of a stride inside a size; 0 where there is none."""
    return size[0] // stride * stride, size[1] // stride * stride


def middle(frames: Tensor, height: int, width: int) -> Tensor:
    """(T, Y, X, 3) -> (T, height, width, 3); half a pixel goes where an even number is left."""
    top, left = (
        round((have - side) / 2)
        for have, side in zip(frames.shape[1:3], (height, width), strict=True)
    )
    return frames[:, top : top + height, left : left + width]


def smoothed(frames: Tensor, height: int, width: int) -> Tensor:
    """(T, Y, X, 3) -> (T, height, width, 3): bilinear, smoothed, corner on corner.

    Whole levels stay whole, rounded by torch's own arithmetic for them.
    """
    planes = frames.permute(0, 3, 1, 2).contiguous()
    size = (height, width)
    planes = interpolate(planes, size, mode="bilinear", align_corners=True, antialias=True)
    return planes.permute(0, 2, 3, 1)
