"""`kineograph generate`: a video, or many, from sentences, pictures and videos."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kineograph.cli.progress import Progress
from kineograph.errors import ConfigError, KineographError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kineograph.generation.draft import Draft
    from kineograph.generation.events import Event, Watch
    from kineograph.generation.generator import Generator
    from kineograph.generation.job import Interrupted
    from kineograph.generation.orders import Ledger, Order
    from kineograph.generation.wishes import Wish

LATENTS = ".latents.safetensors"
"""What is added to a video's name for the latents that it is decoded from."""
LEDGER = ".ledger.jsonl"
"""What is added to the name of a series of videos for the list of what was made."""


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Generate a video from a prompt."""

    prompt: Annotated[str, "what to show"] = field(default="", metadata={"positional": True})
    prompts: Annotated[
        Path | None, "file of prompts with settings: .txt, .csv, .jsonl or .parquet"
    ] = None
    image: Annotated[Path | None, "picture that the video begins with"] = None
    last_image: Annotated[Path | None, "picture that it ends with"] = None
    at: Annotated[tuple[str, ...], "FRAME=PICTURE, a picture at any frame"] = ()
    video: Annotated[Path | None, "video to go on with, or to edit or interpolate"] = None
    task: Annotated[str, "continue, edit, interpolate, or loop: end as it began"] = "continue"
    strength: Annotated[float, "how much of what is given is kept, 0 to 1"] = 1.0
    signal: Annotated[Path | None, "drawings of its first frames, for a controller"] = None
    model: Annotated[str, "recipe name (see `kineograph models`) or weights folder"] = "toybox"
    out: Annotated[Path, ".mp4, .mov, .gif, .png for one frame, or a folder of frames"] = Path(
        "out.mp4"
    )
    seconds: Annotated[float | None, "about how long; longer than trained: in windows"] = None
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
    resume: Annotated[Path | None, "latents of a cancelled generation to go on with"] = None
    preview: Annotated[Path | None, ".png that shows at every step how far it is"] = None
    device: Annotated[str, "where to compute: auto, cpu, cuda, ..."] = "auto"
    max_memory: Annotated[str | None, "for coding videos, e.g. 4GB; default: most of the free"] = (
        None
    )
    adapter: Annotated[tuple[str, ...], "LoRA to add: FILE, or FILE:STRENGTH"] = ()
    set: Annotated[tuple[str, ...], "recipe override, e.g. sampling.steps=40"] = ()

    def run(self) -> int | None:
        """Generate and write; 1 where some of many could not be made."""
        begun = time.perf_counter()
        if self.resume is not None:
            self._resume(self.resume)
            return None
        wishes = self._wishes()
        for wish in wishes:
            wish.plain()
            wish.files()
        from kineograph.generation.generator import Generator
        from kineograph.generation.orders import Ledger, orders

        every = orders(wishes, self.out, self.count, self.seed)
        generator = Generator.load(
            self.model,
            overrides=self.set,
            device=self.device,
            max_memory=self.max_memory,
            adapters=self.adapter,
        )
        ledger = None
        if self.prompts is not None:
            ledger = Ledger(self.out.with_name(self.out.stem + LEDGER))
        with Progress() as progress:
            made, failed = self._make(generator, every, ledger, progress)
        memory = generator.parts.place.memory() / 1e9
        print(f"{made} done in {time.perf_counter() - begun:.1f} s, at most {memory:.1f} GB")
        return 1 if failed else None

    def _make(
        self,
        generator: "Generator",
        every: "Sequence[Order]",
        ledger: "Ledger | None",
        progress: Progress,
    ) -> tuple[int, int]:
        """Make what is not there yet; returns how many were made, and how many could not be."""
        from kineograph.generation.orders import batches

        watch = telling(progress, self.preview)
        about = f"{generator.parts.digest} {self.set} {self.native}"
        left, failed = list(every), 0
        if ledger is not None:
            left = [order for order in every if not _done(ledger, order, about)]
            if len(left) < len(every):
                print(f"{len(every) - len(left)} of {len(every)} are there already")
        done = 0
        for group in batches(left, self.batch):
            begun = time.perf_counter()
            try:
                self._batch(generator, group, watch)
                problem = ""
            except KineographError as error:
                if ledger is None:
                    raise
                problem, failed = str(error), failed + len(group)
                print(f"kineograph: {group[0].out}: {error}", file=sys.stderr)
            if ledger is not None:
                seconds = (time.perf_counter() - begun) / len(group)
                for order in group:
                    _note(ledger, order, about, seconds, problem)
            done += len(group)
            if len(left) > 1:
                progress.show("videos", done, len(left))
        return len(left) - failed, failed

    def _batch(self, generator: "Generator", group: "Sequence[Order]", watch: "Watch") -> None:
        """Make some videos that differ in prompt and seed only."""
        from kineograph.generation.job import Interrupted
        from kineograph.generation.output import check_name

        request = group[0].wish.request(generator.parts.recipe.sampling.fps)
        frames = generator.shape(request).frames
        for order in group:
            check_name(order.out, frames)
        prompts, seeds = [order.wish.prompt for order in group], [order.seed for order in group]
        try:
            drafts = generator.drafts(prompts, request, watch, seeds=seeds)
        except Interrupted as stop:
            keep(stop, [order.out for order in group])
            raise
        for draft, order in zip(drafts, group, strict=True):
            self._finish(generator, draft, order.out, watch)

    def _finish(self, generator: "Generator", draft: "Draft", path: Path, watch: "Watch") -> None:
        """Decode and write one video; its latents outlive a failure."""
        latents = path.with_name(path.name + LATENTS)
        draft.save(latents)
        video = generator.decode(draft, watch)
        video.save(path, native=self.native)
        if not self.keep_latents:
            latents.unlink()
        print(f"{path}: {video.summary()}")

    def _resume(self, path: Path) -> None:
        """Go on with a cancelled generation; everything about it stands in its latents."""
        from kineograph.generation.draft import Draft
        from kineograph.generation.generator import Generator
        from kineograph.generation.job import Interrupted

        if self.prompt or self.prompts:
            raise ConfigError("--resume and a prompt: the latents say what they show; drop one")
        draft = Draft.read(path)
        out = finished(path) if self.out == Path("out.mp4") else self.out
        model = draft.info.model if self.model == "toybox" else self.model
        generator = Generator.load(
            model,
            overrides=draft.info.overrides,
            device=self.device,
            max_memory=self.max_memory,
            adapters=draft.info.adapters,
        )
        with Progress() as progress:
            watch = telling(progress, self.preview)
            try:
                draft = generator.go_on(draft, watch)
            except Interrupted as stop:
                keep(stop, [out])
                raise
            self._finish(generator, draft, out, watch)

    def _wishes(self) -> "tuple[Wish, ...]":
        if self.prompts is not None and self.prompt:
            raise ConfigError("a prompt and --prompts are both given; expected one of them")
        if self.prompts is None and not self.prompt:
            raise ConfigError('no prompt; expected e.g. kineograph generate "a red ball rolls"')
        for name, value in (("count", self.count), ("batch", self.batch)):
            if value < 1:
                raise ConfigError(f"--{name} {value}: expected 1 or more")
        from kineograph.generation.wishes import Wish, hints, read_wishes

        base = Wish(
            prompt=self.prompt,
            negative=self.negative,
            image=self.image,
            last_image=self.last_image,
            at=self.at,
            video=self.video,
            signal=self.signal,
            task=self.task,
            strength=self.strength,
            seconds=self.seconds,
            frames=self.frames,
            size=self.size,
            aspect=self.aspect,
            fps=self.fps,
            steps=self.steps,
            guidance=self.guidance,
        )
        if self.prompts is None:
            return (base,)
        table = read_wishes(self.prompts, base)
        for hint in hints(table.ignored):
            print(f"note: {self.prompts}: {hint}", file=sys.stderr)
        return table.wishes


def _done(ledger: "Ledger", order: "Order", about: str) -> bool:
    """Whether an order's video lies there; one whose inputs cannot be read is tried again."""
    try:
        return ledger.done(order, order.key(about))
    except KineographError:
        return False


def _note(ledger: "Ledger", order: "Order", about: str, seconds: float, problem: str) -> None:
    """Write down what became of an order."""
    from kineograph.generation.orders import Entry

    key = "" if problem else order.key(about)
    entry = Entry(
        out=str(order.out),
        key=key,
        prompt=order.wish.prompt,
        seed=order.seed,
        seconds=round(seconds, 3),
        error=problem,
    )
    ledger.write(entry)


def telling(progress: Progress, preview: Path | None = None) -> "Watch":
    """Shows events as progress, their notes as lines of their own, and previews as a picture."""

    def tell(event: "Event") -> None:
        if event.note:
            print(f"note: {event.note}", file=sys.stderr)
            return
        progress.show(event.stage, event.step, event.total)
        if preview is not None and event.preview is not None:
            from kineograph.media.encode import write_image
            from kineograph.media.sheet import contact_sheet

            clips = list(event.preview())
            write_image(preview, contact_sheet(clips, columns=max(map(len, clips))))

    return tell


def keep(stop: "Interrupted", outs: "Sequence[Path]") -> None:
    """Save what a cancelled generation has made, and say how to go on."""
    for draft, out in zip(stop.drafts, outs, strict=False):
        path = out.with_name(out.name + LATENTS)
        draft.save(path)
        print(f"{path}: kept; go on with: kineograph generate --resume {path}", file=sys.stderr)


def finished(latents: Path) -> Path:
    """`out.mp4` for `out.mp4.latents.safetensors`, else the same name as .mp4."""
    name = latents.name
    if name.endswith(LATENTS):
        return latents.with_name(name.removesuffix(LATENTS))
    return latents.with_suffix(".mp4")
