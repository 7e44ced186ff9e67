"""Trackers: programs that show a run's numbers, fed beside the journal's lines.

`journal.jsonl` is always written; these are extras, imported when a run names them.
"""

import importlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from torch import Tensor

from kineograph.errors import ConfigError, nearest

PROJECT = "kineograph"


class Tracker(Protocol):
    """What a run tells a tracker; steps count from the beginning of the run."""

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Numbers of a step, by name."""

    def video(self, step: int, name: str, frames: Tensor, fps: float) -> None:
        """A video, uint8 (T, Y, X, 3)."""

    def text(self, step: int, name: str, text: str) -> None:
        """A text, such as the recipe."""

    def finish(self) -> None:
        """Nothing more will come."""


class TensorBoard:
    """Event files in the run's folder; `tensorboard --logdir FOLDER` shows them."""

    def __init__(self, folder: Path) -> None:
        _module("tensorboard", "track")
        writing: Any = importlib.import_module("torch.utils.tensorboard")
        self._messages: Any = importlib.import_module("tensorboard.compat.proto.summary_pb2")
        self._writer = writing.SummaryWriter(str(folder / "tensorboard"))

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """See `Tracker`."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)

    def video(self, step: int, name: str, frames: Tensor, fps: float) -> None:
        """As a GIF, which TensorBoard plays where it shows pictures."""
        _, height, width, _ = frames.shape
        picture = self._messages.Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=gif(frames, fps)
        )
        value = self._messages.Summary.Value(tag=name, image=picture)
        self._writer.file_writer.add_summary(self._messages.Summary(value=[value]), step)

    def text(self, step: int, name: str, text: str) -> None:
        """See `Tracker`."""
        self._writer.add_text(name, text, step)

    def finish(self) -> None:
        """See `Tracker`."""
        self._writer.close()


class Logged:
    """Trackers that share the interface of W&B: `init`, `log`, `Video`, `finish`.

    module: the imported library, `wandb` or `trackio`; `WANDB_MODE=offline` and the like hold.
    """

    def __init__(self, module: Any, folder: Path) -> None:
        self._module = module
        self._folder = folder / "tracked"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._run = module.init(project=PROJECT, name=folder.name)

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._run.log(dict(scalars), step=step)

    def video(self, step: int, name: str, frames: Tensor, fps: float) -> None:
        """As a GIF that is kept in the run's folder."""
        path = self._folder / f"{step:08d}-{name.replace('/', '-')}.gif"
        path.write_bytes(gif(frames, fps))
        self._run.log({name: self._module.Video(str(path), format="gif")}, step=step)

    def text(self, step: int, name: str, text: str) -> None:
        """As a table of one row, which both show."""
        table = self._module.Table(columns=["text"], data=[[text]])
        self._run.log({name: table}, step=step)

    def finish(self) -> None:
        """See `Tracker`."""
        self._run.finish()


def _wandb(folder: Path) -> Tracker:
    return Logged(_module("wandb", "track-wandb"), folder)


def _trackio(folder: Path) -> Tracker:
    return Logged(_module("trackio", "track-trackio"), folder)


KINDS: dict[str, Callable[[Path], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": _wandb,
    "trackio": _trackio,
}


def build(names: Sequence[str], folder: Path) -> list[Tracker]:
    """The trackers of a run.

    Args:
        names: which ones.
        folder: of the run.

    Raises:
        ConfigError: an unknown name, or a library that is not installed.
    """
    for name in names:
        if name not in KINDS:
            raise ConfigError(f"no tracker {name!r}{nearest(name, KINDS)}")
    return [KINDS[name](folder) for name in names]


def gif(frames: Tensor, fps: float) -> bytes:
    """A video as an endless GIF; frames: uint8 (T, Y, X, 3)."""
    pictures = [Image.fromarray(np.asarray(frame)) for frame in frames.cpu().numpy()]
    file = io.BytesIO()
    pictures[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / fps),
        loop=0,
    )
    return file.getvalue()


def _module(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConfigError(
            f"tracker {name!r} is not installed; expected the extra {extra!r}: "
            f"pip install 'kineograph[{extra}]'"
        ) from None
