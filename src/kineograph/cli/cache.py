"""`kineograph cache`: clips as stored latents, so that training never encodes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Render or read clips, encode them, and store latents with their records."""

    model: Annotated[str, "which recipe; its `cache` says which clips"] = "toybox"
    autoencoder: Annotated[Path, "weights folder of the autoencoder that encodes"] = Path(
        "runs/autoencoder/weights"
    )
    out: Annotated[Path, "folder of the cache"] = Path("runs/latents")
    clips: Annotated[int, "how many clips"] = 20_000
    seed: Annotated[int, "first scene seed"] = 50_000_000
    processes: Annotated[int, "processes of one thread each"] = 2
    device: Annotated[str, "where to compute"] = "cpu"
    set: Annotated[tuple[str, ...], "recipe overrides, e.g. cache.size=128"] = ()

    def run(self) -> None:
        """Make or complete the cache."""
        from kineograph import recipes
        from kineograph.config import override
        from kineograph.training.cache import Plan, make

        recipe = override(recipes.get(self.model), *self.set)
        plan = Plan(self.out, self.clips, self.seed, self.device)
        make(recipe, self.autoencoder, plan, self.processes, print)
