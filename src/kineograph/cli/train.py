"""`kineograph train`: a recipe's denoiser, from nothing or going on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    from kineograph.training.denoiser import Shown


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a recipe's denoiser on caches of latents; stop and go on at any time."""

    model: Annotated[str, "which recipe; `kineograph models` shows all"] = "toybox"
    autoencoder: Annotated[Path, "weights folder of the autoencoder that made the caches"] = Path(
        "runs/autoencoder/weights"
    )
    data: Annotated[
        tuple[Path, ...], "a cache, see `kineograph cache`; several for clips of several shapes"
    ] = (Path("runs/latents"),)
    start: Annotated[
        str | None, "weights to begin from, a folder or a recipe's name; an adapter needs it"
    ] = None
    text: Annotated[Path | None, "weights folder of a text encoder that is not trained"] = None
    out: Annotated[Path, "folder of the run: state, journal, and in the end weights"] = Path(
        "runs/denoiser"
    )
    overfit: Annotated[bool, "only see whether one batch can be learned; saves nothing"] = False
    steps: Annotated[int | None, "steps in all; the stages share them as the recipe's do"] = None
    seed: Annotated[int, "initial weights, and the order of everything"] = 0
    processes: Annotated[int, "processes of one thread each"] = 2
    device: Annotated[str, "where to compute"] = "cpu"
    bfloat16: Annotated[bool, "compute in bfloat16 where that is safe"] = True
    recompute: Annotated[
        str, "what is computed again to save memory: nothing, blocks, all-but-attention, or 8,16"
    ] = "nothing"
    save_every: Annotated[int, "steps between two saved states"] = 200
    evaluate_every: Annotated[int, "steps between two validations, and between samples"] = 250
    sample: Annotated[tuple[str, ...], "a prompt of which a video is made now and then"] = ()
    track: Annotated[tuple[str, ...], "tensorboard, wandb or trackio, beside the journal"] = ()
    set: Annotated[tuple[str, ...], "recipe overrides, e.g. stages.0.schedule.steps=9"] = ()

    def run(self) -> None:
        """Train, or go on where the folder's state stands."""
        from kineograph import recipes
        from kineograph.config import override
        from kineograph.training.launch import Sources, check, train
        from kineograph.training.run import Run, recompute, shortened

        run = Run(
            folder=self.out,
            seed=self.seed,
            save_every=self.save_every,
            evaluate_every=self.evaluate_every,
            bfloat16=self.bfloat16,
            device=self.device,
            recompute=recompute(self.recompute),
            track=self.track,
        )
        recipe = override(recipes.get(self.model), *self.set)
        if self.steps is not None:
            recipe = replace(recipe, stages=shortened(recipe.stages, self.steps))
        start = None if self.start is None else recipes.weights(self.start)
        sampler = Samples(self.sample, self.device, self.seed) if self.sample else None
        sources = Sources(self.autoencoder, self.data, start, self.text, sampler)
        if self.overfit:
            check(recipe, sources, run, print)
        else:
            print(train(recipe, sources, run, self.processes, print))


@dataclass(frozen=True)
class Samples:
    """Makes one video of each prompt with the weights of a folder."""

    prompts: tuple[str, ...]
    device: str
    seed: int

    def __call__(self, folder: Path) -> "list[Shown]":
        """The videos, in the order of the prompts."""
        from kineograph.generation.generator import Generator
        from kineograph.generation.request import Request
        from kineograph.training.denoiser import Shown

        generator = Generator.load(folder, device=self.device)
        made = [generator.generate(one, Request(seed=self.seed)) for one in self.prompts]
        return [
            Shown(prompt, made_of.video, made_of.info.fps)
            for prompt, made_of in zip(self.prompts, made, strict=True)
        ]
