"""`kineograph train-autoencoder`: a recipe's autoencoder, from nothing or going on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated


@dataclass(frozen=True, kw_only=True)
class TrainAutoencoder:
    """Train a recipe's autoencoder through its stages; stop and go on at any time.

    In the end it prints what the latents are like: every channel's mean, variance and
    divergence, which channels have collapsed, and how many axes they really use.
    """

    model: Annotated[str, "which recipe; `kineograph models` shows all"] = "toybox"
    out: Annotated[Path, "folder of the run: state, journal, and in the end weights"] = Path(
        "runs/autoencoder"
    )
    data: Annotated[
        Path | None, "a dataset (see `data check`), for recipes that train on footage"
    ] = None
    start: Annotated[str | None, "weights to begin from: a folder, or a recipe's name"] = None
    steps: Annotated[int | None, "steps in all; the stages share them as the recipe's do"] = None
    lpips: Annotated[
        tuple[Path, ...], "files with the weights of LPIPS: VGG's and the heads, or both in one"
    ] = ()
    seed: Annotated[int, "first scene seed and initial weights"] = 0
    processes: Annotated[int, "processes of one thread each"] = 2
    device: Annotated[str, "where to compute"] = "cpu"
    workers: Annotated[int, "processes that draw clips ahead, for a quick device"] = 0
    bfloat16: Annotated[bool, "compute in bfloat16 where that is safe"] = True
    save_every: Annotated[int, "steps between two saved states"] = 100
    evaluate_every: Annotated[int, "steps between two measurements of held-out clips"] = 250
    track: Annotated[tuple[str, ...], "tensorboard, wandb or trackio, beside the journal"] = ()
    set: Annotated[
        tuple[str, ...], "recipe overrides, e.g. autoencoder_stages.0.schedule.steps=9"
    ] = ()

    def run(self) -> None:
        """Train, or go on where the folder's state stands."""
        from kineograph import recipes
        from kineograph.config import override
        from kineograph.training.autoencoder import train
        from kineograph.training.clips import on_videos
        from kineograph.training.run import Run, shortened

        recipe = override(recipes.get(self.model), *self.set)
        if self.data is not None:
            recipe = on_videos(recipe, self.data)
        if self.steps is not None:
            stages = shortened(recipe.autoencoder_stages, self.steps)
            recipe = replace(recipe, autoencoder_stages=stages)
        start = None if self.start is None else recipes.weights(self.start)
        run = Run(
            folder=self.out,
            seed=self.seed,
            save_every=self.save_every,
            evaluate_every=self.evaluate_every,
            bfloat16=self.bfloat16,
            device=self.device,
            lpips=self.lpips,
            track=self.track,
            workers=self.workers,
        )
        print(train(recipe, run, self.processes, print, start))
