"""`kineograph reconstruct`: videos through an autoencoder and back."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from kineograph.cli.generate import pair
from kineograph.cli.progress import Progress
from kineograph.errors import ConfigError, KineographError

if TYPE_CHECKING:
    from torch import Tensor

    from kineograph.generation.device import Place
    from kineograph.types import Autoencoder

LABELS = ("original", "reconstruction")


@dataclass(frozen=True, kw_only=True)
class Score:
    """What became of one video.

    width, height: pixels that the autoencoder saw; psnr: in dB, of the whole clip; ssim: mean
    over the frames; lost: damaged frames of the file, None where only a part was read; out:
    the comparison.
    """

    video: str
    frames: int
    width: int
    height: int
    psnr: float
    ssim: float
    lost: int | None
    out: str

    def __str__(self) -> str:
        lost = f" ({self.lost} more are damaged)" if self.lost else ""
        return (
            f"{self.video}: {self.frames} frames{lost} of {self.width}x{self.height}, "
            f"PSNR {self.psnr:.2f} dB, SSIM {self.ssim:.4f} -> {self.out}"
        )


@dataclass(frozen=True, eq=False)
class Coder:
    """An autoencoder on its device, and the clips it is given.

    frames, height, width: a legal clip; longer videos are coded in pieces of so many frames.
    """

    autoencoder: "Autoencoder"
    place: "Place"
    frames: int
    height: int
    width: int

    def pairs(
        self, path: Path, fps: float | None, most: int | None
    ) -> Iterator[tuple["Tensor", "Tensor"]]:
        """Pieces of a video and what the autoencoder makes of them, (T, Y, X, 3) uint8 both."""
        import numpy as np
        import torch

        from kineograph.media.resize import cover
        from kineograph.media.sampling import pictures

        source = islice(pictures(path, fps=fps), most)
        while piece := [picture.pixels for picture in islice(source, self.frames)]:
            original = cover(torch.from_numpy(np.stack(piece)), self.height, self.width)
            yield original, self.through(original)

    def through(self, frames: "Tensor") -> "Tensor":
        """Encode and decode frames, (T, Y, X, 3) uint8.

        A length that the autoencoder cannot code is filled up with the last frame.
        """
        import torch

        from kineograph.generation.events import check
        from kineograph.media.resize import to_uint8, to_unit

        length = next(n for n in count(len(frames)) if self._is_legal(n))
        filling = frames[-1:].expand(length - len(frames), *frames.shape[1:])
        video = to_unit(torch.cat([frames, filling])).to(self.place.device)
        with torch.inference_mode(), self.place.autocast():
            decoded = self.autoencoder.decode(self.autoencoder.encode(video), length)
        check(decoded, "reconstruction", 1, 1)
        return to_uint8(decoded.float().cpu())[: len(frames)]

    def _is_legal(self, frames: int) -> bool:
        return self.autoencoder.nearest(frames, self.height, self.width).frames == frames


@dataclass(frozen=True, kw_only=True)
class Reconstruct:
    """Take videos through an autoencoder and back, and measure what is lost."""

    videos: Annotated[tuple[Path, ...], "video files"]
    model: Annotated[str, "recipe name (see `kineograph models`) or weights folder"] = "toybox"
    size: Annotated[str | None, "WIDTHxHEIGHT to fill; default: the recipe's own"] = None
    frames: Annotated[int | None, "at most so many frames of each video"] = None
    fps: Annotated[float | None, "frames per second to take; default: every frame"] = None
    out: Annotated[Path, "folder for the videos that show both side by side"] = Path(
        "reconstructed"
    )
    device: Annotated[str, "where to compute: auto, cpu, cuda, ..."] = "auto"
    format: Annotated[Literal["text", "json"], "json: for other programs"] = "text"

    def run(self) -> int:
        """Print a line for each video; exit code 1 when one of them could not be read."""
        if self.frames is not None and self.frames < 1:
            raise ConfigError(f"--frames {self.frames}: expected 1 or more")
        coder, enlarge = self._load()
        scores = []
        for video, out in zip(self.videos, outputs(self.videos, self.out), strict=True):
            try:
                score = self.compare(coder, video, out, enlarge)
            except KineographError as error:
                print(f"kineograph: {error}", file=sys.stderr)
                continue
            scores.append(score)
            if self.format == "text":
                print(score, flush=True)
        if self.format == "json":
            print(json.dumps([asdict(score) for score in scores], indent=2))
        return 0 if len(scores) == len(self.videos) else 1

    def compare(self, coder: Coder, video: Path, out: Path, enlarge: int = 1) -> Score:
        """Reconstruct one video, and write both versions side by side.

        Args:
            coder: what to take it through.
            video: the file.
            out: where the comparison goes.
            enlarge: its factor of size.

        Raises:
            MediaError: the file is no video.
        """
        import torch

        from kineograph.evaluation.metrics import decibels, squared_error, ssim
        from kineograph.media.encode import writing
        from kineograph.media.probe import probe
        from kineograph.media.resize import scale
        from kineograph.media.sheet import side_by_side

        # The whole file is counted only where all of it is read anyway.
        facts = probe(video, count=self.frames is None)
        total = max(1, round(facts.duration * (self.fps or facts.fps)))
        total = min(total, self.frames or total)
        errors, likenesses = [], []
        with ExitStack() as stack:
            progress = stack.enter_context(Progress())
            write = None
            for original, rebuilt in coder.pairs(video, self.fps, self.frames):
                errors.append(squared_error(rebuilt, original))
                likenesses.append(ssim(rebuilt, original))
                height, width = coder.height * enlarge, coder.width * enlarge
                large = scale(original, height, width), scale(rebuilt, height, width)
                shown = side_by_side(*large, LABELS)
                if write is None:
                    size = (shown.shape[1], shown.shape[2])
                    opening = writing(out, size, self.fps or facts.fps)
                    write = stack.enter_context(opening).write
                write(shown)
                progress.show(video.name, sum(map(len, errors)), total)
        every = torch.cat(errors)
        return Score(
            video=str(video),
            frames=len(every),
            width=coder.width,
            height=coder.height,
            psnr=float(decibels(every.mean())),
            ssim=float(torch.cat(likenesses).mean()),
            lost=facts.lost,
            out=str(out),
        )

    def _load(self) -> tuple[Coder, int]:
        """The model's autoencoder, and the factor by which its videos are shown larger."""
        from kineograph import recipes
        from kineograph.generation.device import choose
        from kineograph.training.weights import load_autoencoder

        folder = recipes.weights(self.model)
        sampling = recipes.read(folder).sampling
        place = choose(self.device)
        autoencoder = load_autoencoder(folder).to(place.device)
        width, height = sampling.width, sampling.height
        if self.size is not None:
            width, height = pair(self.size, "x", "--size 64x64")
        legal = autoencoder.nearest(sampling.frames, height, width)
        if (legal.width, legal.height) != (width, height):
            nearest = f"{legal.width}x{legal.height}"
            raise ConfigError(f"--size {self.size}: expected {legal.rule}; nearest: {nearest}")
        return Coder(autoencoder, place, legal.frames, height, width), sampling.enlarge


def outputs(videos: tuple[Path, ...], folder: Path) -> list[Path]:
    """A name in the folder for each video's comparison; names that come twice are numbered."""
    names: list[str] = []
    for video in videos:
        stem = f"{video.stem}_reconstructed"
        taken = (f"{stem}_{number}" for number in count(2))
        names.append(stem if stem not in names else next(n for n in taken if n not in names))
    return [folder / f"{name}.mp4" for name in names]
