"""`kineograph decode`: finish a generation whose latents were kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from kineograph.cli.generate import finished, telling
from kineograph.cli.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Decode:
    """Turn saved latents into a video."""

    latents: Annotated[Path, "file that `generate` wrote before it decoded"]
    out: Annotated[Path | None, "video to write; its name is in that of the latents"] = None
    model: Annotated[str | None, "recipe name or weights folder; it is in the latents"] = None
    native: Annotated[bool, "write the model's own pixels, not enlarged"] = False
    device: Annotated[str, "where to compute: auto, cpu, cuda, ..."] = "auto"
    max_memory: Annotated[str | None, "for coding videos, e.g. 4GB; default: most of the free"] = (
        None
    )

    def run(self) -> None:
        """Decode and write."""
        from kineograph.generation.draft import Draft
        from kineograph.generation.generator import Generator

        draft = Draft.read(self.latents)
        out = self.out or finished(self.latents)
        model = self.model or draft.info.model
        generator = Generator.load(
            model,
            overrides=draft.info.overrides,
            device=self.device,
            max_memory=self.max_memory,
            adapters=draft.info.adapters,
        )
        with Progress() as progress:
            video = generator.decode(draft, telling(progress))
        video.save(out, native=self.native)
        print(f"{out}: {video.summary()}")
