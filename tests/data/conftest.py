"""Small videos, and lists of clips as others write them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from kineograph.media.encode import write_video

Make = Callable[..., Path]


@pytest.fixture
def film(tmp_path: Path) -> Make:
    """Write a video: grey, brighter from frame to frame, beginning at `level`."""

    def write(
        name: str = "a.mp4", *, frames: int = 10, size: tuple[int, int] = (32, 48), level: int = 40
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = level + 4 * torch.arange(frames, dtype=torch.uint8).view(-1, 1, 1, 1)
        write_video(path, levels.expand(frames, *size, 3), 8)
        return path

    return write
