"""What `train` trains: a denoiser, and the text encoder where that learns too.

Letters: B clips, L text tokens, D width.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from kineograph import recipes
from kineograph.checkpoints import files, parts
from kineograph.conditioning.dropout import replaced
from kineograph.denoisers import stiv_parents
from kineograph.denoisers.stiv import STIV
from kineograph.errors import CheckpointError, ConfigError
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import Same, Smaller
from kineograph.text.clip import CLIP
from kineograph.text.pair import T5WithCLIP
from kineograph.text.t5 import T5
from kineograph.text.words import Words, WordsConfig
from kineograph.types import TextEmbedding

Encoder = Words | T5 | CLIP | T5WithCLIP


class Learner(nn.Module):
    """The parts that learn together; their names begin the names of their weights.

    A text encoder whose weights are public is no part of it: `text` is then None.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.text = recipe.text.build() if recipe.text.learns else None
        self.denoiser = recipe.denoiser.build()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts."""
        return ("denoiser",) if self.text is None else ("text", "denoiser")

    def begin_from(self, folder: Path) -> None:
        """Take the parts' weights from a folder; words that are new there begin anew.

        Raises:
            CheckpointError: they are missing, or do not fit.
        """
        for name in self.parts:
            weights = _weights(folder, name)
            if isinstance(self.text, Words) and name == "text":
                weights = self.text.adopted(weights, words_of(folder))
            files.load_into(self.get_submodule(name), weights)

    def inherit(self, parents: Same | Smaller) -> None:
        """Take a stage's first weights from its parents.

        Raises:
            CheckpointError: they are missing, or do not fit.
            ConfigError: smaller parents of a denoiser that cannot grow.
        """
        if isinstance(parents, Same):
            self.begin_from(Path(parents.folder))
            return
        if not isinstance(self.denoiser, STIV):
            raise ConfigError(
                f"parents 'smaller' of {type(self.denoiser).__name__}: expected denoiser 'stiv'; "
                "nearest: parents 'same'"
            )
        time = None if parents.time is None else _weights(Path(parents.time), "denoiser")
        try:
            stiv_parents.inherit(self.denoiser, _weights(Path(parents.space), "denoiser"), time)
        except (KeyError, RuntimeError) as error:
            where = " and ".join(one for one in (parents.space, parents.time) if one is not None)
            raise CheckpointError(
                f"parents 'smaller' in {where}: do not fit: "
                f"{str(error).splitlines()[-1].strip()}; expected STIV denoisers with as many "
                "layers and as wide as this one"
            ) from error


def words_of(folder: Path) -> tuple[str, ...]:
    """The words that the text encoder of a weights folder knows; none where it does not say."""
    if not (folder / recipes.FILE).exists():
        return ()
    text = recipes.read(folder).text
    return text.vocabulary if isinstance(text, WordsConfig) else ()


def _weights(folder: Path, part: str) -> Mapping[str, Tensor]:
    return files.read(parts.find(folder, part))


def encoder(recipe: Recipe, folder: Path | None, device: str) -> Encoder | None:
    """The text encoder of a recipe where it does not learn, frozen; None where it does.

    Args:
        recipe: says which.
        folder: holds its weights.
        device: where it goes.

    Raises:
        ConfigError: it needs weights, and there is no folder, or the other way round.
        CheckpointError: the weights are missing, or do not fit.
    """
    kind = recipe.text.kind
    if recipe.text.learns:
        if folder is not None:
            raise ConfigError(
                f"text encoder {kind!r} learns with its denoiser: expected no weights for it; "
                "nearest: --start, which begins from both"
            )
        return None
    if folder is None:
        raise ConfigError(
            f"text encoder {kind!r} is not trained: expected its weights, see --text FOLDER"
        )
    built = recipe.text.build()
    files.load_into(built, _weights(folder, "text"))
    return built.to(device).eval().requires_grad_(False)


def read(text: Encoder, captions: Sequence[str]) -> TextEmbedding:
    """Embed captions; empty ones become the system's null caption."""
    found: TextEmbedding = text(captions)
    drop = torch.tensor([not caption for caption in captions], device=found.tokens.device)
    return replaced(found, text.empty(found), drop) if bool(drop.any()) else found
