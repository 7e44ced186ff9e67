"""`kineograph toybox`: render the procedural world as a captioned dataset."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from kineograph.cli.progress import Progress
from kineograph.generation.pairs import pair


@dataclass(frozen=True, kw_only=True)
class Toybox:
    """Render the procedural world as a captioned dataset.

    Shards that are already complete are kept, so an interrupted run is simply started again.
    """

    out: Annotated[Path, "folder of the dataset"]
    clips: Annotated[int, "how many clips"] = 1000
    level: Annotated[int, "1 one toy, 2 toys and cameras, 3 company"] = 1
    frames: Annotated[int, "frames of a clip; a scene's motions take two seconds"] = 17
    fps: Annotated[float, "frames per second"] = 8.0
    size: Annotated[str, "WIDTHxHEIGHT in pixels"] = "128x128"
    seed: Annotated[int, "same seed, same clips"] = 0
    workers: Annotated[int, "processes of one thread each"] = 2
    format: Annotated[Literal["mp4", "npz"], "H.264, or lossless arrays with masks"] = "mp4"
    extra: Annotated[
        tuple[str, ...],
        "also write: masks, depth, flow, canny, sketch, views, cameras, positions",
    ] = ()
    held_out: Annotated[bool, "only combinations that are never trained on"] = False
    shard: Annotated[int, "clips in a shard"] = 250

    def run(self) -> None:
        """Render and write."""
        begun = time.perf_counter()
        width, height = pair(self.size, "x", "--size 128x128")
        from kineograph.toybox.dataset import Plan, write

        plan = Plan(
            level=self.level,
            clips=self.clips,
            frames=self.frames,
            fps=self.fps,
            size=(height, width),
            seed=self.seed,
            held_out=self.held_out,
            format=self.format,
            extras=tuple(name for names in self.extra for name in names.split(",")),
            shard=self.shard,
        )
        with Progress() as progress:
            paths = write(
                plan,
                self.out,
                workers=self.workers,
                watch=lambda done, total: progress.show("clips", done, total),
            )
        spent = time.perf_counter() - begun
        print(f"{self.out}: {self.clips} clips in {len(paths)} shards, {spent:.1f} s")
