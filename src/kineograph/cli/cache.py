"""`kineograph cache`: clips as stored latents, so that training never encodes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    from kineograph.recipes.recipe import Recipe

PARTLY = 3


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Render clips, or read those of a dataset, encode them, and store latents with their records.

    A run that was stopped goes on when it is started again with the same words. Of a dataset,
    each row gets a line; exit code 3 where one was refused.
    """

    model: Annotated[str, "which recipe; its `cache` says which shape clips have"] = "toybox"
    autoencoder: Annotated[Path, "weights folder of the autoencoder that encodes"] = Path(
        "runs/autoencoder/weights"
    )
    out: Annotated[Path, "folder of the cache"] = Path("runs/latents")
    data: Annotated[Path | None, "a dataset (see `data check`), instead of rendered clips"] = None
    kind: Annotated[str, "the dataset's layout; auto: look"] = "auto"
    limit: Annotated[float, "seconds that reading one clip of a dataset may take"] = 60.0
    clips: Annotated[int, "how many rendered clips"] = 20_000
    seed: Annotated[int, "first scene seed"] = 50_000_000
    processes: Annotated[int, "processes of one thread each"] = 2
    device: Annotated[str, "where to compute"] = "cpu"
    workers: Annotated[int, "processes that render ahead, for a quick device"] = 0
    set: Annotated[tuple[str, ...], "recipe overrides, e.g. cache.size=128"] = ()

    def run(self) -> int:
        """Make or complete the cache."""
        from kineograph import recipes
        from kineograph.config import override
        from kineograph.training.cache import Plan, make

        recipe = override(recipes.get(self.model), *self.set)
        if self.data is not None:
            return self._encode(self.data, recipe)
        plan = Plan(self.out, self.clips, self.seed, self.device, self.workers)
        make(recipe, self.autoencoder, plan, self.processes, print)
        return 0

    def _encode(self, place: Path, recipe: "Recipe") -> int:
        from kineograph.data.layouts.table import read
        from kineograph.data.reading import Encoding
        from kineograph.media.workers import Limits
        from kineograph.training.clip_cache import Coding, make
        from kineograph.training.weights import digest, load_autoencoder

        found = read(place, self.kind)
        limits = Limits(seconds=self.limit, workers=self.processes)
        shape = recipe.cache
        encoding = Encoding(
            frames=shape.frames,
            size=shape.size,
            fps=shape.fps,
            autoencoder=digest(self.autoencoder, "autoencoder"),
        )
        coding = Coding(load_autoencoder(self.autoencoder).to(self.device), self.device)
        counts = make(found, coding, encoding, self.out, limits, print)
        print(f"{self.out}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
        return PARTLY if counts["refused"] else 0
