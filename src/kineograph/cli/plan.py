"""`kineograph plan`: what a recipe costs, before anything is loaded."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal

from kineograph.errors import ConfigError

if TYPE_CHECKING:
    from kineograph.planning.machine import Machine
    from kineograph.planning.papers import Row
    from kineograph.planning.report import Plan as Cost
    from kineograph.planning.training import Run
    from kineograph.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Say what a video, or training, costs: parameters, tokens, work, memory, time, money."""

    model: Annotated[str, "recipe or weights folder; default: toybox"] = field(
        default="toybox", metadata={"positional": True}
    )
    seconds: Annotated[float | None, "about how long"] = None
    frames: Annotated[int | None, "exactly how long; default: the recipe's own"] = None
    size: Annotated[str | None, "WIDTHxHEIGHT in the model's own pixels"] = None
    aspect: Annotated[str | None, "about which shape, e.g. 16:9"] = None
    fps: Annotated[float | None, "frames per second"] = None
    steps: Annotated[int | None, "steps from noise to video"] = None
    guidance: Annotated[float | None, "how strongly the prompt counts; 1: half of the work"] = None
    machine: Annotated[str, "here, h200, h100, a100 or rtx4090"] = "here"
    train: Annotated[bool, "device hours and money of all stages of training instead"] = False
    paper: Annotated[
        str | None, "compare with a paper's own tables: open-sora-2, stiv or ltx-video"
    ] = None
    set: Annotated[tuple[str, ...], "recipe override, e.g. sampling.steps=40"] = ()
    format: Annotated[Literal["text", "json"], "json: for other programs"] = "text"

    def run(self) -> int | None:
        """Print the plan; 1 where a paper's table is not met."""
        if self.paper is not None:
            from kineograph.planning.papers import paper

            return self._paper(paper(self.paper))
        from kineograph import config, recipes
        from kineograph.planning.machine import machine

        known = self.model in recipes.names()
        written = recipes.get(self.model) if known else recipes.read(recipes.weights(self.model))
        recipe, on = config.override(written, *self.set), machine(self.machine)
        if self.train:
            from kineograph.planning.training import runs

            self._training(recipe, runs(recipe), on)
        else:
            self._video(recipe, on)
        return None

    def _video(self, recipe: "Recipe", on: "Machine") -> None:
        from kineograph.generation.request import shape
        from kineograph.generation.wishes import Wish
        from kineograph.nn.footprint import shapes_only
        from kineograph.planning.report import Setting, plan

        wish = Wish(
            seconds=self.seconds,
            frames=self.frames,
            size=self.size,
            aspect=self.aspect,
            fps=self.fps,
            steps=self.steps,
            guidance=self.guidance,
        )
        with shapes_only():
            autoencoder = recipe.autoencoder.build()
        clip = shape(wish.plain(), recipe.sampling, autoencoder)
        if self.guidance is not None:
            recipe = replace(recipe, guidance=recipe.guidance.scaled(self.guidance))
        setting = Setting(
            frames=clip.frames,
            height=clip.height,
            width=clip.width,
            steps=self.steps or recipe.sampling.steps,
        )
        found = plan(recipe, setting, on)
        if self.format == "json":
            print(json.dumps(asdict(found), indent=2))
        else:
            print("\n".join(_lines(found, on)))

    def _training(self, recipe: "Recipe", every: "tuple[Run, ...]", on: "Machine") -> None:
        if not every:
            raise ConfigError(f"{recipe.name} says no stages of training; expected one or more")
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
        if self.format == "json":
            print(json.dumps(rows, indent=2))
            return
        print(f"{'stage':40} {'steps':>9} {'s a step':>9} {'hours':>10} {'dollars':>9}")
        for one in every:
            print(
                f"{one.name:40} {one.steps:9,} {one.step_seconds(on):9.3f} "
                f"{one.device_hours(on):10.2f} {one.dollars(on):9.2f}"
            )
        hours = sum(one.device_hours(on) for one in every)
        dollars = sum(one.dollars(on) for one in every)
        print(f"in all {hours:.1f} device hours, {dollars:.0f} dollars on {on.name}")

    def _paper(self, rows: "Iterable[Row]") -> int:
        every = list(rows)
        if self.format == "json":
            print(json.dumps([asdict(one) | {"kept": one.kept} for one in every], indent=2))
        else:
            print(f"{'table':9} {'what':44} {'published':>10} {'ours':>10} {'within':>7}")
            for one in every:
                print(
                    f"{one.table:9} {one.name:44} {one.published:10g} {one.ours:10.5g} "
                    f"{one.within:6g}x{'' if one.kept else '  no'}"
                )
        return 0 if all(one.kept for one in every) else 1


def _lines(found: "Cost", on: "Machine") -> Iterable[str]:
    """The plan of a video in words."""
    yield f"{found.recipe}: {found.frames} frames of {found.width}x{found.height}"
    yield (
        f"latents {'x'.join(map(str, found.latents))}, {found.tokens} tokens, "
        f"D_info {found.d_info:g}, D_token {found.d_token}"
    )
    yield f"{'stage':8} {'parameters':>14} {'passes':>6} {'TFLOP':>12} {'peak MB':>9} {'s':>8}"
    for stage in found.stages:
        yield (
            f"{stage.name:8} {stage.parameters:14,} {stage.passes:6} {stage.flops / 1e12:12.3f} "
            f"{stage.peak / 1e6:9.0f} {stage.seconds:8.2f}"
        )
    yield (
        f"weights {found.weights / 1e9:.2f} GB, with the largest stage {found.peak / 1e9:.2f} GB, "
        f"a whole process {found.process / 1e9:.2f} GB, in float32"
    )
    yield f"about {found.seconds:.1f} s on {on.name}; encode only where pictures are given"
