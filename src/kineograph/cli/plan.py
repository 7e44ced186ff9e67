"""`kineograph plan`: what a recipe costs, before anything is loaded."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from kineograph.errors import ConfigError
from kineograph.generation.pairs import pair

if TYPE_CHECKING:
    from kineograph.planning.machine import Machine
    from kineograph.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Say what a video, or training, costs: parameters, tokens, work, memory, time, money."""

    model: Annotated[str, "recipe name (see `kineograph models`) or weights folder"] = "toybox"
    frames: Annotated[int | None, "how long; default: the recipe's own"] = None
    size: Annotated[str | None, "WIDTHxHEIGHT in the model's own pixels"] = None
    steps: Annotated[int | None, "steps from noise to video"] = None
    machine: Annotated[str, "here, h200, h100, a100 or rtx4090"] = "here"
    train: Annotated[bool, "device hours and money of all stages of training instead"] = False
    set: Annotated[tuple[str, ...], "recipe override, e.g. sampling.steps=40"] = ()
    format: Annotated[Literal["text", "json"], "json: for other programs"] = "text"

    def run(self) -> None:
        """Print the plan."""
        from kineograph import config, recipes
        from kineograph.planning.machine import machine

        known = self.model in recipes.names()
        written = recipes.get(self.model) if known else recipes.read(recipes.weights(self.model))
        recipe, on = config.override(written, *self.set), machine(self.machine)
        if self.train:
            self._training(recipe, on)
        else:
            self._video(recipe, on)

    def _video(self, recipe: "Recipe", on: "Machine") -> None:
        from kineograph.nn.footprint import shapes_only
        from kineograph.planning.report import Setting, plan

        sampling = recipe.sampling
        width, height = sampling.width, sampling.height
        if self.size is not None:
            width, height = pair(self.size, "x", "--size 64x64")
        with shapes_only():
            autoencoder = recipe.autoencoder.build()
        legal = autoencoder.nearest(self.frames or sampling.frames, height, width)
        if (legal.frames, legal.height, legal.width) != (
            self.frames or sampling.frames,
            height,
            width,
        ):
            raise ConfigError(
                f"{self.frames or sampling.frames} frames of {width}x{height}: expected "
                f"{legal.rule}; nearest: {legal.frames} frames of {legal.width}x{legal.height}"
            )
        setting = Setting(
            frames=legal.frames, height=height, width=width, steps=self.steps or sampling.steps
        )
        found = plan(recipe, setting, on)
        if self.format == "json":
            print(json.dumps(asdict(found), indent=2))
            return
        print(f"{found.recipe}: {found.frames} frames of {found.width}x{found.height}")
        print(
            f"latents {'x'.join(map(str, found.latents))}, {found.tokens} tokens, "
            f"D_info {found.d_info:g}, D_token {found.d_token}"
        )
        print(f"{'stage':8} {'parameters':>12} {'TFLOP':>10} {'peak MB':>9} {'seconds':>9}")
        for stage in found.stages:
            print(
                f"{stage.name:8} {stage.parameters:12,} {stage.flops / 1e12:10.3f} "
                f"{stage.peak / 1e6:9.0f} {stage.seconds:9.2f}"
            )
        print(
            f"weights {found.weights / 1e9:.2f} GB, peak {found.peak / 1e9:.2f} GB in float32, "
            f"about {found.seconds:.1f} s on {on.name}"
        )

    def _training(self, recipe: "Recipe", on: "Machine") -> None:
        from kineograph.planning.training import runs

        every = runs(recipe)
        if self.format == "json":
            rows = [
                {
                    "stage": one.name,
                    "steps": one.steps,
                    "step_seconds": one.step_seconds(on),
                    "device_hours": one.device_hours(on),
                    "dollars": one.dollars(on),
                }
                for one in every
            ]
            print(json.dumps(rows, indent=2))
            return
        print(f"{'stage':32} {'steps':>9} {'s a step':>9} {'hours':>10} {'dollars':>9}")
        for one in every:
            print(
                f"{one.name:32} {one.steps:9,} {one.step_seconds(on):9.3f} "
                f"{one.device_hours(on):10.2f} {one.dollars(on):9.2f}"
            )
        hours = sum(one.device_hours(on) for one in every)
        dollars = sum(one.dollars(on) for one in every)
        print(f"in all {hours:.1f} device hours, {dollars:.0f} dollars on {on.name}")
