"""`kineograph replay`: make a video again from what its file says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from kineograph.cli.generate import telling
from kineograph.cli.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Repeat a generation from the metadata of its video."""

    video: Annotated[Path, "a .mp4, .mov or .png that `generate` wrote"]
    out: Annotated[Path, "where to write the repetition"] = Path("replay.mp4")
    model: Annotated[str | None, "recipe name or weights folder; it is in the video"] = None
    native: Annotated[bool, "write the model's own pixels, not enlarged"] = False
    device: Annotated[str, "where to compute: auto, cpu, cuda, ..."] = "auto"

    def run(self) -> None:
        """Read, generate, write."""
        from kineograph.generation.draft import info
        from kineograph.generation.generator import Generator
        from kineograph.generation.output import check_name
        from kineograph.generation.request import again
        from kineograph.media.encode import read_metadata

        told = info(read_metadata(self.video), self.video)
        check_name(self.out, told.frames)
        model = self.model or told.model
        generator = Generator.load(model, overrides=told.overrides, device=self.device)
        generator.expect(told)
        with Progress() as progress:
            video = generator.generate(told.prompt, again(told), telling(progress))
        video.save(self.out, native=self.native)
        print(f"{self.out}: {video.summary()}")
