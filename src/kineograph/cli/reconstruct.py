"""`kineograph reconstruct`: videos through an autoencoder and back."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from kineograph.cli.progress import Progress
from kineograph.errors import ConfigError, KineographError
from kineograph.generation.pairs import pair

if TYPE_CHECKING:
    from torch import Tensor

    from kineograph.autoencoders.pieces import Divisible
    from kineograph.generation.device import Place
    from kineograph.media.probe import Probe

LABELS = ("original", "reconstruction")
PIECE = 17  # frames that a public autoencoder codes at once, about


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

    frames, height, width: of a clip; longer videos are coded in pieces of so many frames.
    """

    autoencoder: "Divisible"
    place: "Place"
    frames: int
    height: int
    width: int
    max_memory: int | None = None

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

        A size that the autoencoder cannot code is filled up with the last frame, row and column,
        and cut again.
        """
        import torch

        from kineograph.autoencoders.bounded import fill_up
        from kineograph.generation.events import check
        from kineograph.generation.memory import bounded
        from kineograph.media.resize import to_uint8, to_unit

        length, height, width, _ = frames.shape
        video = fill_up(self.autoencoder, to_unit(frames).to(self.place.device))
        within = bounded(self.autoencoder, self.max_memory, self.place.device, note)
        with torch.inference_mode(), self.place.autocast():
            decoded = within.decode(within.encode(video), video.shape[2])
        decoded = decoded[:, :, :length, :height, :width]
        check(decoded, "reconstruction", 1, 1)
        return to_uint8(decoded.float().cpu())


@dataclass(frozen=True, kw_only=True)
class Reconstruct:
    """Take videos through an autoencoder and back, and measure what is lost."""

    videos: Annotated[tuple[Path, ...], "video files"]
    model: Annotated[str, "recipe name (see `kineograph models`) or weights folder"] = "toybox"
    autoencoder: Annotated[str | None, "instead of a model, the kind of a public autoencoder"] = (
        None
    )
    weights: Annotated[str | None, "its file, its folder, or a hub id that is in the cache"] = None
    size: Annotated[str | None, "WIDTHxHEIGHT to fill; default: the model's or video's own"] = None
    frames: Annotated[int | None, "at most so many frames of each video"] = None
    fps: Annotated[float | None, "frames per second to take; default: every frame"] = None
    out: Annotated[Path, "folder for the videos that show both side by side"] = Path(
        "reconstructed"
    )
    device: Annotated[str, "where to compute: auto, cpu, cuda, ..."] = "auto"
    max_memory: Annotated[str | None, "for coding videos, e.g. 4GB; default: most of the free"] = (
        None
    )
    limit: Annotated[float, "seconds that reading one video may take"] = 600.0
    format: Annotated[Literal["text", "json"], "json: for other programs"] = "text"

    def run(self) -> int:
        """Print a line for each video; exit code 1 when one of them could not be read."""
        if self.frames is not None and self.frames < 1:
            raise ConfigError(f"--frames {self.frames}: expected 1 or more")
        if (self.autoencoder is None) != (self.weights is None):
            raise ConfigError("--autoencoder and --weights: expected both, or neither")
        from kineograph.media.trial import Trial, tried
        from kineograph.media.workers import Limits

        limits = Limits(seconds=self.limit, workers=1)
        coder_of, enlarge = self._load() if self.weights is None else (self._public(), 1)
        scores = []
        for video, out in zip(self.videos, outputs(self.videos, self.out), strict=True):
            try:
                facts = tried(video, Trial(self.fps, self.frames), limits)
                score = self.compare(coder_of(facts), facts, out, enlarge)
            except KineographError as error:
                reason = str(error).removeprefix(f"{video}: ")
                print(f"kineograph: {video}: {reason}", file=sys.stderr)
                continue
            scores.append(score)
            if self.format == "text":
                print(score, flush=True)
        if self.format == "json":
            print(json.dumps([asdict(score) for score in scores], indent=2))
        return 0 if len(scores) == len(self.videos) else 1

    def compare(self, coder: Coder, facts: "Probe", out: Path, enlarge: int = 1) -> Score:
        """Reconstruct one video, and write both versions side by side.

        Args:
            coder: what to take it through.
            facts: about the video; its frames are counted where all of it is read.
            out: where the comparison goes.
            enlarge: its factor of size.

        Raises:
            MediaError: the file is no video.
        """
        import torch

        from kineograph.evaluation.metrics import decibels, squared_error, ssim
        from kineograph.media.encode import writing
        from kineograph.media.resize import scale
        from kineograph.media.sheet import side_by_side

        video = facts.path
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

    def _public(self) -> Callable[["Probe"], Coder]:
        """What codes each video with a public autoencoder, in its own size unless told otherwise.

        Raises:
            KineographError: there is no such kind, or the weights are others.
        """
        from kineograph.checkpoints.hub import local
        from kineograph.checkpoints.public.autoencoders import open_autoencoder
        from kineograph.generation.device import choose

        place, path = choose(self.device), local(str(self.weights))
        opened = open_autoencoder(str(self.autoencoder), path)
        opened.module.to(place.device)
        print(f"{self.autoencoder} of {path}; sizes: {opened.source}", file=sys.stderr)

        def coder(facts: "Probe") -> Coder:
            width, height = facts.width, facts.height
            if self.size is not None:
                width, height = pair(self.size, "x", "--size 64x64")
            frames = opened.autoencoder.nearest(self.frames or PIECE, height, width).frames
            return Coder(
                opened.autoencoder, place, min(frames, PIECE), height, width, self._limit()
            )

        return coder

    def _limit(self) -> int | None:
        """Bytes that coding may take; None: a share of what is free."""
        from kineograph.generation.memory import size

        return None if self.max_memory is None else size(self.max_memory)

    def _load(self) -> tuple[Callable[["Probe"], Coder], int]:
        """What codes each video with the model's autoencoder, and how much larger to show it."""
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
        coder = Coder(autoencoder, place, legal.frames, height, width, self._limit())
        return partial(_same, coder), sampling.enlarge


def _same(coder: Coder, facts: "Probe") -> Coder:
    """One coder for all videos."""
    return coder


def note(words: str) -> None:
    """Say what the user should know."""
    print(f"note: {words}", file=sys.stderr)


def outputs(videos: tuple[Path, ...], folder: Path) -> list[Path]:
    """A name in the folder for each video's comparison; names that come twice are numbered."""
    names: list[str] = []
    for video in videos:
        stem = f"{video.stem}_reconstructed"
        taken = (f"{stem}_{number}" for number in count(2))
        names.append(stem if stem not in names else next(n for n in taken if n not in names))
    return [folder / f"{name}.mp4" for name in names]
