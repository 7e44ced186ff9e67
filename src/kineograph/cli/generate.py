"""`kineograph generate`: a video, or many, from sentences and pictures."""

import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kineograph.cli.progress import Progress
from kineograph.errors import ConfigError

if TYPE_CHECKING:
    from kineograph.generation.draft import Draft
    from kineograph.generation.events import Event, Watch
    from kineograph.generation.generator import Generator
    from kineograph.generation.request import Request

LATENTS = ".latents.safetensors"
"""What is added to a video's name for the latents that it is decoded from."""


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Generate a video from a prompt."""

    prompt: Annotated[str, "what to show"] = field(default="", metadata={"positional": True})
    prompts: Annotated[Path | None, "file of prompts instead: .csv, .jsonl or .txt"] = None
    image: Annotated[Path | None, "picture that the video begins with"] = None
    signal: Annotated[Path | None, "drawings of its first frames, for a controller"] = None
    model: Annotated[str, "recipe name (see `kineograph models`) or weights folder"] = "toybox"
    out: Annotated[Path, ".mp4, .mov, .gif, .png for one frame, or a folder of frames"] = Path(
        "out.mp4"
    )
    seconds: Annotated[float | None, "about how long"] = None
    frames: Annotated[int | None, "exactly how long"] = None
    size: Annotated[str | None, "WIDTHxHEIGHT in the model's own pixels"] = None
    aspect: Annotated[str | None, "about which shape, e.g. 16:9"] = None
    fps: Annotated[float | None, "frames per second"] = None
    steps: Annotated[int | None, "steps from noise to video"] = None
    guidance: Annotated[float | None, "how strongly the prompt counts; 1: plainly"] = None
    negative: Annotated[str, "what not to show"] = ""
    seed: Annotated[int, "same seed, same video"] = 0
    count: Annotated[int, "videos of each prompt, seeds counting up"] = 1
    batch: Annotated[int, "videos that are denoised at once"] = 4
    native: Annotated[bool, "write the model's own pixels, not enlarged"] = False
    keep_latents: Annotated[bool, "keep the latents beside the video"] = False
    device: Annotated[str, "where to compute: auto, cpu, cuda, ..."] = "auto"
    set: Annotated[tuple[str, ...], "recipe override, e.g. sampling.steps=40"] = ()

    def run(self) -> None:
        """Generate and write."""
        begun = time.perf_counter()
        prompts = [prompt for prompt in self._prompts() for _ in range(self.count)]
        from kineograph.generation.generator import Generator
        from kineograph.generation.output import check_name

        request = self._request()
        generator = Generator.load(self.model, overrides=self.set, device=self.device)
        check_name(self.out, generator.shape(request).frames)
        paths = numbered(self.out, len(prompts))
        with Progress() as progress:
            watch = telling(progress)
            for first in range(0, len(prompts), self.batch):
                some = slice(first, first + self.batch)
                asked = replace(request, seed=self.seed + first)
                drafts = generator.drafts(prompts[some], asked, watch)
                for draft, path in zip(drafts, paths[some], strict=True):
                    self._finish(generator, draft, path, watch)
        print(f"{len(paths)} done in {time.perf_counter() - begun:.1f} s")

    def _finish(self, generator: "Generator", draft: "Draft", path: Path, watch: "Watch") -> None:
        """Decode and write one video; its latents outlive a failure."""
        latents = path.with_name(path.name + LATENTS)
        draft.save(latents)
        video = generator.decode(draft, watch)
        video.save(path, native=self.native)
        if not self.keep_latents:
            latents.unlink()
        print(f"{path}: {video.summary()}")

    def _request(self) -> "Request":
        from kineograph.generation.request import Request
        from kineograph.media.decode import read_image, read_video

        width, height = pair(self.size, "x", "--size 64x64") if self.size else (None, None)
        across, down = pair(self.aspect, ":", "--aspect 16:9") if self.aspect else (None, None)
        return Request(
            frames=self.frames,
            seconds=self.seconds,
            width=width,
            height=height,
            aspect=across / down if across and down else None,
            fps=self.fps,
            steps=self.steps,
            guidance=self.guidance,
            negative=self.negative,
            seed=self.seed,
            image=read_image(self.image) if self.image else None,
            image_name=str(self.image) if self.image else None,
            signal=read_video(self.signal, frames=self.frames).frames if self.signal else None,
            signal_name=str(self.signal) if self.signal else None,
        )

    def _prompts(self) -> tuple[str, ...]:
        if self.prompts is not None and self.prompt:
            raise ConfigError("a prompt and --prompts are both given; expected one of them")
        if self.prompts is None and not self.prompt:
            raise ConfigError('no prompt; expected e.g. kineograph generate "a red ball rolls"')
        for name, value in (("count", self.count), ("batch", self.batch)):
            if value < 1:
                raise ConfigError(f"--{name} {value}: expected 1 or more")
        if self.prompts is None:
            return (self.prompt,)
        from kineograph.generation.prompts import read_prompts

        return read_prompts(self.prompts)


def telling(progress: Progress) -> "Watch":
    """Shows events as progress, and their notes as lines of their own."""

    def tell(event: "Event") -> None:
        if event.note:
            print(f"note: {event.note}", file=sys.stderr)
        progress.show(event.stage, event.step, event.total)

    return tell


def pair(text: str, mark: str, example: str) -> tuple[int, int]:
    """Two whole numbers above 0, written with a mark between them.

    Raises:
        ConfigError: it is something else.
    """
    left, found, right = text.lower().partition(mark)
    if not (found and left.isdecimal() and right.isdecimal() and int(left) and int(right)):
        raise ConfigError(f"{text!r}: expected two numbers, e.g. {example}")
    return int(left), int(right)


def numbered(out: Path, count: int) -> list[Path]:
    """Names for `count` videos: the given one, or `out-00.mp4`, `out-01.mp4`, ..."""
    if count == 1:
        return [out]
    digits = len(str(count - 1))
    return [out.with_name(f"{out.stem}-{index:0{digits}d}{out.suffix}") for index in range(count)]
