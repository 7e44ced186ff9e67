"""`kineograph replay`: make a video again from what its file says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from kineograph.cli.generate import telling
from kineograph.cli.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Repeat a generation from the metadata of its video; say whether it came out the same."""

    video: Annotated[Path, "a .mp4, .mov or .png that `generate` wrote"]
    out: Annotated[Path, "where to write the repetition"] = Path("replay.mp4")
    input: Annotated[tuple[Path, ...], "picture or video it was made from, if it has moved"] = ()
    model: Annotated[str | None, "recipe name or weights folder; it is in the video"] = None
    native: Annotated[bool, "write the model's own pixels, not enlarged"] = False
    device: Annotated[str, "where to compute: auto, cpu, cuda, ..."] = "auto"

    def run(self) -> int | None:
        """Read, generate, write, compare; 1 where frames differ."""
        from kineograph.errors import ConfigError
        from kineograph.generation.draft import info
        from kineograph.generation.generator import Generator
        from kineograph.generation.output import check_name
        from kineograph.generation.replay import compare, differences, repeat
        from kineograph.generation.request import again
        from kineograph.media.encode import read_metadata

        told = info(read_metadata(self.video), self.video)
        check_name(self.out, told.frames)
        if self.out.resolve() == self.video.resolve():
            raise ConfigError(f"{self.out}: is the video itself; expected another --out")
        request = again(told, self.input)
        model = self.model or told.model
        generator = Generator.load(
            model, overrides=told.overrides, device=self.device, adapters=told.adapters
        )
        changed = differences(told, generator)
        generator.expect(told)
        with Progress() as progress:
            video = repeat(generator, told, request, telling(progress))
        video.save(self.out, native=self.native)
        print(f"{self.out}: {video.summary()}")
        for line in changed:
            print(f"differs from when {self.video} was made: {line}")
        if self.out.suffix.lower() in ("", ".gif"):
            return None  # frames of a folder or with a palette cannot be compared
        likeness = compare(self.video, self.out)
        if likeness.equal:
            print("every decoded frame is equal")
            return None
        if likeness.largest is None:
            print("the files have different sizes or lengths; was the other one --native?")
        else:
            print(f"decoded frames differ by up to {likeness.largest} levels of 255")
        return 1
