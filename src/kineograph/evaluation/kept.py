"""Results on disk, one file each, so that an interrupted evaluation goes on where it stopped."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor

from kineograph.config import from_data, to_data
from kineograph.media.decode import read_image
from kineograph.media.encode import replaced, write_image

T = TypeVar("T")
MOMENTS = (0.0, 0.19, 0.44, 0.75, 1.0)
"""Frames of every clip that are kept for the eye, as parts of it: uneven, since a bounce looks
still when it is seen at even moments."""


class Kept(Generic[T]):
    """A folder of results of one kind: `0007.json` with `0007.png`, five frames in a row."""

    def __init__(self, folder: Path, kind: type[T]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.kind = kind

    def collect(
        self, count: int, make: Callable[[int], tuple[T, Tensor]], say: Callable[[str], None]
    ) -> tuple[T, ...]:
        """Results 0 to `count` - 1; only those that are not on disk are made.

        Args:
            count: how many.
            make: index -> a result, and its frames (T, Y, X, 3) uint8.
            say: hears of each new result.
        """
        for index in range(count):
            if not self._path(index).exists():
                started = time.perf_counter()
                self._save(index, *make(index))
                seconds = time.perf_counter() - started
                say(f"{self.folder.name} {index + 1}/{count}  {seconds:.1f} s")
        return tuple(self._load(index) for index in range(count))

    def frames(self, index: int) -> Tensor:
        """The kept frames of a result, (5, Y, X, 3) uint8."""
        strip = read_image(self._path(index).with_suffix(".png"))
        return torch.stack(strip.chunk(len(MOMENTS), dim=1))

    def _save(self, index: int, result: T, video: Tensor) -> None:
        """The picture first and the text at once: where there is a text, all is there."""
        chosen = [round(moment * (len(video) - 1)) for moment in MOMENTS]
        path = self._path(index)
        write_image(path.with_suffix(".png"), torch.cat(list(video[chosen]), dim=1))
        with replaced(path) as part:
            part.write_text(json.dumps(to_data(result), indent=1) + "\n", encoding="utf-8")

    def _load(self, index: int) -> T:
        return from_data(self.kind, json.loads(self._path(index).read_text(encoding="utf-8")))

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:04d}.json"
