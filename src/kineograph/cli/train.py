"""`kineograph train`: a recipe's denoiser, from nothing or going on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a recipe's denoiser on a cache of latents; stop and go on at any time."""

    model: Annotated[str, "which recipe; `kineograph models` shows all"] = "toybox"
    autoencoder: Annotated[Path, "weights folder of the autoencoder that made the cache"] = Path(
        "runs/autoencoder/weights"
    )
    data: Annotated[Path, "a cache, see `kineograph cache`"] = Path("runs/latents")
    start: Annotated[Path | None, "weights folder to begin from; an adapter needs it"] = None
    out: Annotated[Path, "folder of the run: state, journal, and in the end weights"] = Path(
        "runs/denoiser"
    )
    seed: Annotated[int, "initial weights, and the order of everything"] = 0
    processes: Annotated[int, "processes of one thread each"] = 2
    device: Annotated[str, "where to compute"] = "cpu"
    save_every: Annotated[int, "steps between two saved states"] = 200
    set: Annotated[tuple[str, ...], "recipe overrides, e.g. stages.0.schedule.steps=9"] = ()

    def run(self) -> None:
        """Train, or go on where the folder's state stands."""
        from kineograph import recipes
        from kineograph.config import override
        from kineograph.training.denoiser import Sources, train
        from kineograph.training.run import Run

        run = Run(folder=self.out, seed=self.seed, save_every=self.save_every, device=self.device)
        recipe = override(recipes.get(self.model), *self.set)
        sources = Sources(self.autoencoder, self.data, self.start)
        print(train(recipe, sources, run, self.processes, print))
