"""`kineograph show`: what a recipe says, with its overrides applied."""

import json
from dataclasses import dataclass
from typing import Annotated, Literal


@dataclass(frozen=True, kw_only=True)
class Show:
    """Print a recipe: every part, every number."""

    model: Annotated[str, "recipe or weights folder; `kineograph models` shows all"]
    set: Annotated[tuple[str, ...], "overrides to apply first, e.g. sampling.steps=40"] = ()
    format: Annotated[
        Literal["text", "json", "json-schema"], "json-schema: what a recipe may say"
    ] = "text"

    def run(self) -> None:
        """Print the resolved recipe."""
        from kineograph import config, recipes

        known = self.model in recipes.names()
        written = recipes.get(self.model) if known else recipes.read(recipes.weights(self.model))
        recipe = config.override(written, *self.set)
        if self.format == "text":
            import yaml

            data = config.to_data(recipe)
            print(yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=100), end="")
        elif self.format == "json":
            print(json.dumps(config.to_data(recipe), indent=2))
        else:
            print(json.dumps(config.schema(type(recipe)), indent=2))
