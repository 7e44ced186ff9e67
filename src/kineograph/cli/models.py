"""`kineograph models`: which recipes there are, how large they are, whether weights are there."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Literal


@dataclass(frozen=True, kw_only=True)
class Row:
    """One recipe. parameters: of all its networks; megabytes: of its weights, 0 if none."""

    name: str
    summary: str
    paper: str
    parameters: int
    video: str
    megabytes: float


@dataclass(frozen=True, kw_only=True)
class Models:
    """List the recipes: what they are, their size, and whether their weights are here."""

    format: Annotated[Literal["text", "json"], "json: for other programs"] = "text"

    def run(self) -> None:
        """Print one line, or one object, for each recipe."""
        from kineograph import recipes

        rows = [_row(name) for name in recipes.names()]
        if self.format == "json":
            print(json.dumps([asdict(row) for row in rows], indent=2))
            return
        width = max(len(row.name) for row in rows)
        for row in rows:
            weights = f"weights {row.megabytes:.0f} MB" if row.megabytes else "no weights here"
            print(f"{row.name:{width}}  {row.summary}")
            print(f"{'':{width}}  {row.parameters / 1e6:.1f} M parameters, {row.video}, {weights}")


def _row(name: str) -> Row:
    import torch

    from kineograph import recipes

    recipe = recipes.get(name)
    with torch.device("meta"):
        networks = recipe.autoencoder.build(), recipe.text.build(), recipe.denoiser.build()
    size = recipe.sampling
    return Row(
        name=name,
        summary=recipe.summary,
        paper=recipe.paper,
        parameters=sum(weight.numel() for part in networks for weight in part.parameters()),
        video=f"{size.frames} x {size.height} x {size.width} at {size.fps:g} frames a second",
        megabytes=sum(file.stat().st_size for file in recipes.weights(name).glob("*.safetensors"))
        / 1e6,
    )
