"""`kineograph evaluate`: the score card of a model."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kineograph.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from kineograph.evaluation.checks import Form
    from kineograph.generation.generator import Generator

STAMP = "model.json"


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a model: adherence to fixed prompts, image-to-video, autoencoder; a score card."""

    model: Annotated[str, "recipe name (see `kineograph models`) or weights folder"]
    prompts: Annotated[int, "how many of the 400 fixed prompts"] = 60
    images: Annotated[int, "how many pictures to bring to life"] = 24
    clips: Annotated[int, "how many clips to take through the autoencoder"] = 64
    out: Annotated[Path | None, "folder of the results; default: runs/evaluation/DIGEST"] = None
    device: Annotated[str, "where to compute: auto, cpu, cuda, ..."] = "auto"
    set: Annotated[tuple[str, ...], "recipe override, e.g. sampling.steps=40"] = ()

    def run(self) -> None:
        """Evaluate, or go on where the folder's results end."""
        from kineograph.evaluation import card, reader, report
        from kineograph.evaluation.adherence import measure
        from kineograph.evaluation.checks import Checks
        from kineograph.evaluation.prompts import LEVEL, load
        from kineograph.generation.generator import Generator

        prompts, unseen = load(self.prompts), [one for one in load() if one.held_out]
        for name, count in (("images", self.images), ("clips", self.clips)):
            if not 1 <= count <= len(unseen):
                raise ConfigError(f"--{name} {count}: expected 1 to {len(unseen)}")
        generator = Generator.load(self.model, overrides=self.set, device=self.device)
        bench = Bench(generator)
        folder = self.out or Path("runs/evaluation") / bench.key()
        bench.stamp(folder)
        judge = reader.load()
        checks = Checks(unseen, bench.form(), judge, folder, print)
        results = report.Report(
            model=generator.parts.recipe.name,
            digest=generator.parts.digest,
            level=LEVEL,
            text=measure(bench.generate, prompts, judge, folder / report.TEXT, print),
            animated=checks.image_to_video(bench.animate, self.images),
            reconstructed=checks.autoencoder(bench.reconstruct, self.clips),
        )
        report.write(results, folder)
        print(f"{card.write(results, folder)}: the score card; report.md and sheet.png beside it")


@dataclass(frozen=True, eq=False)
class Bench:
    """A generator as the evaluation sees it: three functions of plain frames."""

    generator: "Generator"

    def generate(self, texts: Sequence[str], seeds: Sequence[int]) -> "Tensor":
        """Clips (B, T, Y, X, 3) uint8, one after the other."""
        import torch

        from kineograph.generation.request import Request

        pairs = zip(texts, seeds, strict=True)
        clips = [self.generator.generate(text, Request(seed=seed)).video for text, seed in pairs]
        return torch.stack(clips).cpu()

    def animate(self, picture: "Tensor", text: str, seed: int) -> "Tensor":
        """A clip (T, Y, X, 3) uint8 that begins with a picture (Y, X, 3)."""
        from kineograph.generation.request import Request

        return self.generator.generate(text, Request(seed=seed, image=picture)).video.cpu()

    def reconstruct(self, clip: "Tensor") -> "Tensor":
        """A clip (T, Y, X, 3) uint8 through the autoencoder and back."""
        import torch

        from kineograph.media.resize import to_uint8, to_unit

        parts = self.generator.parts
        video = to_unit(clip).to(parts.place.device)
        with torch.inference_mode(), parts.place.autocast():
            return to_uint8(
                parts.autoencoder.decode(parts.autoencoder.encode(video), len(clip))
            ).cpu()

    def form(self) -> "Form":
        """The clips that the recipe makes unless told otherwise."""
        from kineograph.evaluation.checks import Form

        sampling = self.generator.parts.recipe.sampling
        return Form(sampling.frames, sampling.height, sampling.width, sampling.fps)

    def key(self) -> str:
        """A short name of weights and settings."""
        return hashlib.sha256(self._about().encode()).hexdigest()[:12]

    def stamp(self, folder: Path) -> None:
        """Say in the folder whose results it holds; refuse one that holds another model's."""
        path, about = folder / STAMP, self._about()
        if path.exists() and path.read_text(encoding="utf-8") != about:
            raise ConfigError(
                f"{folder}: holds the results of other weights or settings; "
                "expected a new folder, or none to choose one by itself"
            )
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(about, encoding="utf-8")

    def _about(self) -> str:
        from kineograph.config import to_data

        parts = self.generator.parts
        data = {"digest": parts.digest, "recipe": to_data(parts.recipe)}
        return json.dumps(data, indent=1) + "\n"
