"""Adapters (LoRA) that are added to a denoiser's weights when it is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from kineograph.checkpoints import adapters, files
from kineograph.checkpoints.factors import add
from kineograph.checkpoints.public.adapters import Config, names
from kineograph.errors import ConfigError


@dataclass(frozen=True)
class Added:
    """An adapter file, and how strongly it counts."""

    file: Path
    strength: float = 1.0

    @staticmethod
    def read(text: str) -> "Added":
        """`FILE` or `FILE:0.8`.

        Raises:
            ConfigError: what follows the last colon is no number, and no such file exists.
        """
        head, colon, tail = text.rpartition(":")
        if not colon or Path(text).exists():
            return Added(Path(text))
        try:
            return Added(Path(head), float(tail))
        except ValueError as error:
            raise ConfigError(
                f"--adapter {text}: there is no such file, and {tail!r} is no strength; expected "
                f"e.g. {head}:0.8"
            ) from error


def attach(denoiser: nn.Module, config: Config, wishes: Sequence[str]) -> tuple[str, ...]:
    """Add adapters to a denoiser, one after the other.

    Args:
        denoiser: its weights are changed for good.
        config: of the denoiser; it says how its layers are called outside.
        wishes: files in any key style, each with `:STRENGTH` if that is not 1.

    Returns:
        For each adapter a short name of its exact content and its strength.

    Raises:
        ConfigError: a strength is no number.
        CheckpointError: a file is damaged, or belongs to another model.
    """
    if not wishes:
        return ()
    layouts = tuple(names(config).values())
    digests = []
    for wish in map(Added.read, wishes):
        add(denoiser, adapters.read(wish.file, layouts), wish.strength)
        digests.append(f"{files.digest(wish.file)}:{wish.strength!r}")
    return tuple(digests)
