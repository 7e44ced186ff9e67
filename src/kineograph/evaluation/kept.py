"""Results on disk, one file each, so that an interrupted evaluation goes on where it stopped.

Several processes that write into one folder share the work.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor

from kineograph.config import from_data, to_data
from kineograph.errors import ConfigError, KineographError
from kineograph.media.decode import read_image
from kineograph.media.encode import replaced, write_image
from kineograph.parallel.replicas import ALONE, Replicas

T = TypeVar("T")
Make = Callable[[Sequence[int]], Sequence[tuple[T, Tensor]]]
MOMENTS = (0.0, 0.19, 0.44, 0.75, 1.0)
"""Frames of every clip that are kept for the eye, as parts of it: uneven, since a bounce looks
still when it is seen at even moments."""


class Kept(Generic[T]):
    """A folder of results of one kind: `0007.json` with `0007.png`, five frames in a row."""

    def __init__(self, folder: Path, kind: type[T], place: Replicas = ALONE) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.kind = kind
        self.place = place

    def collect(
        self, count: int, make: Make[T], say: Callable[[str], None], *, together: int = 1
    ) -> tuple[T, ...]:
        """Results 0 to `count` - 1; only those that are not on disk are made.

        Every process makes its share, waits for the others, and gets all.

        Args:
            count: how many.
            make: numbers of results -> those results, each with its frames (T, Y, X, 3) uint8.
            say: hears of each new result.
            together: how many are made at once; always the same ones, so that a run that was
                interrupted gives the same digits.

        Raises:
            KineographError: one of them cannot be made, by this process or another one.
        """
        failure: KineographError | None = None
        try:
            self._make(count, make, say, together)
        except KineographError as error:
            failure = error
        if any(self.place.collect(failure is not None)):
            raise failure or ConfigError(f"{self.folder.name}: another process could not go on")
        return tuple(self._load(index) for index in range(count))

    def _make(self, count: int, make: Make[T], say: Callable[[str], None], together: int) -> None:
        """Make this process's share of what is missing."""
        groups = [range(k, min(k + together, count)) for k in range(0, count, together)]
        missing = [one for one in groups if not all(self._path(k).exists() for k in one)]
        self.place.wait()  # nobody writes before all have looked
        for numbers in missing[self.place.rank :: self.place.count]:
            started = time.perf_counter()
            for number, (result, video) in zip(numbers, make(numbers), strict=True):
                self._save(number, result, video)
            seconds = (time.perf_counter() - started) / len(numbers)
            say(f"{self.folder.name} {numbers[-1] + 1}/{count}  {seconds:.1f} s each")

    def frames(self, index: int) -> Tensor:
        """The kept frames of a result, (5, Y, X, 3) uint8."""
        strip = read_image(self._path(index).with_suffix(".png"))
        return torch.stack(strip.chunk(len(MOMENTS), dim=1))

    def _save(self, index: int, result: T, video: Tensor) -> None:
        """The picture first and the text at once: where there is a text, all is there."""
        chosen = moments(len(video))
        path = self._path(index)
        write_image(path.with_suffix(".png"), torch.cat(list(video[chosen]), dim=1))
        with replaced(path) as part:
            part.write_text(json.dumps(to_data(result), indent=1) + "\n", encoding="utf-8")

    def _load(self, index: int) -> T:
        return from_data(self.kind, json.loads(self._path(index).read_text(encoding="utf-8")))

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:04d}.json"


def moments(frames: int) -> list[int]:
    """The numbers of the frames that are kept of a clip."""
    return [round(moment * (frames - 1)) for moment in MOMENTS]
