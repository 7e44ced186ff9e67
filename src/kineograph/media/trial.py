"""A video is read once in a worker, before it is read here: what hangs or dies does so there."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kineograph.errors import MediaError
from kineograph.media.probe import Probe, probe
from kineograph.media.sampling import pictures
from kineograph.media.workers import Limits, each


@dataclass(frozen=True)
class Trial:
    """A worker's job: read a video as it will be read later.

    fps: as for `pictures`; most: so many pictures will be read, None: all.
    """

    fps: float | None = None
    most: int | None = None

    def __call__(self, path: Path) -> Probe:
        """The facts; frames are counted where all of them are read.

        Raises:
            MediaError: no video that can be read.
        """
        facts = probe(path, count=self.most is None)
        for _ in islice(pictures(path, fps=self.fps), 1 if self.most is None else self.most):
            pass
        return facts


def tried(path: Path, trial: Trial, limits: Limits) -> Probe:
    """The facts about a video that can be read within the limits.

    Raises:
        MediaError: it cannot, or whoever reads it hangs, dies, or takes too much memory.
    """
    [outcome] = each(trial, [path], limits)
    if outcome.value is None:
        why = outcome.failure or ""
        raise MediaError(why if why.startswith(f"{path}: ") else f"{path}: {why}")
    return outcome.value
