"""Tiny videos, made on the fly: frame i is a plain grey of level 20 + 10 (i mod 20)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from torch import Tensor

MILLISECOND = Fraction(1, 1000)
Planes = tuple[int, ...]  # one stored value for each plane: luma and both chromas


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A video to make. stamps: of the frames, in milliseconds; planes: their stored values."""

    count: int = 20
    size: tuple[int, int] = (32, 48)
    fps: int = 10
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    stamps: Sequence[int] = ()
    planes: Sequence[Planes] = ()
    color_range: int = 1
    color_space: int = 1
    aspect: Fraction = Fraction(1)
    options: dict[str, str] = field(default_factory=dict)
    paint: Callable[[int, tuple[int, int]], np.ndarray] | None = None

    def frame(self, index: int) -> VideoFrame:
        """The picture number `index`, in the stored format."""
        height, width = self.size
        if self.paint is not None:
            picture = VideoFrame.from_ndarray(self.paint(index, self.size), format="rgb24")
            return picture.reformat(
                format=self.pixel_format, dst_colorspace=1, src_color_range=2, dst_color_range=1
            )
        frame = VideoFrame(width, height, self.pixel_format)
        deep = any(component.bits > 8 for component in frame.format.components)
        kind, size = ("<u2", 2) if deep else ("u1", 1)
        values = self.planes[index] if self.planes else (grey(20 + 10 * (index % 20)), 128, 128)
        for plane, value in zip(frame.planes, values, strict=True):
            plane.update(np.full(plane.buffer_size // size, value, kind).tobytes())
        return frame


def grey(level: int) -> int:
    """The limited-range luma of a grey level of 255."""
    return round(16 + level * 219 / 255)


@pytest.fixture
def numbers() -> Callable[[Tensor], list[int]]:
    """Which frames these are, from their greys: (T, Y, X, 3) -> T numbers."""
    return lambda frames: [round((float(frame.float().mean()) - 20) / 10) for frame in frames]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Write a video: the fields of `Plan`; the ending of its name says the container."""

    def write(name: str, **settings: Any) -> Path:
        plan = Plan(**settings)
        path = tmp_path / name
        kind = "matroska" if path.suffix == ".mkv" else "mp4"
        with av.open(f"file:{path}", "w", format=kind) as container:
            stream = container.add_stream(plan.codec, rate=plan.fps, options=plan.options)
            stream.height, stream.width = plan.size
            stream.pix_fmt = plan.pixel_format
            context = stream.codec_context
            context.time_base = MILLISECOND
            context.color_range, context.colorspace = plan.color_range, plan.color_space
            context.sample_aspect_ratio = plan.aspect
            stamps = plan.stamps or [1000 * i // plan.fps for i in range(plan.count)]
            for index, stamp in enumerate(stamps):
                frame = plan.frame(index)
                frame.pts, frame.time_base = stamp, MILLISECOND
                frame.color_range, frame.colorspace = plan.color_range, plan.color_space
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write
