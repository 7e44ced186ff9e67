"""`kineograph latents`: what an autoencoder's latents are like."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from kineograph.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Latents:
    """Encode clips and look at the latents: statistics, dead channels, axes, correlations.

    Clips are those that the recipe's cache would hold, or come from a folder of videos.
    """

    model: Annotated[str, "recipe name (see `kineograph models`) or weights folder"] = "toybox"
    clips: Annotated[int, "how many clips"] = 128
    data: Annotated[
        Path | None, "a dataset (see `data check`), instead of the recipe's own clips"
    ] = None
    seed: Annotated[int, "first clip"] = 800_000_000
    device: Annotated[str, "where to compute: auto, cpu, cuda, ..."] = "auto"
    format: Annotated[Literal["text", "json"], "json: for other programs"] = "text"

    def run(self) -> None:
        """Print a line for each channel and three for all of them."""
        from kineograph import recipes
        from kineograph.generation.device import choose
        from kineograph.recipes.stages import Footage
        from kineograph.training import health
        from kineograph.training.weights import load_autoencoder

        if self.clips < 1:
            raise ConfigError(f"--clips {self.clips}: expected 1 or more")
        folder = recipes.weights(self.model)
        shape = recipes.read(folder).cache
        clips = (
            shape
            if self.data is None
            else Footage(folder=str(self.data), frames=shape.frames, size=shape.size, fps=shape.fps)
        )
        model = load_autoencoder(folder).to(choose(self.device).device)
        found = health.measure(model, clips, self.seed, self.clips)
        if self.format == "json":
            print(json.dumps(found.data(), indent=2))
        else:
            print("\n".join(found.lines()))
