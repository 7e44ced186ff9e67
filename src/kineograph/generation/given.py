"""What is asked for with pictures and videos -> what is given of the video.

Letters: T frames of Y x X pixels, t frames of a given video.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from torch import Tensor

from kineograph.conditioning.keyframes import Item
from kineograph.conditioning.tasks import every_other
from kineograph.errors import ConfigError, nearest
from kineograph.media.resize import cover, to_unit

Longest = Callable[[int], int]
"""The most frames, up to a number, that the autoencoder can code as one clip; 0: none."""


class Use(Protocol):
    """What a given video is for."""

    @property
    def kind(self) -> str:
        """The task's name."""
        ...

    @property
    def factor(self) -> int:
        """How many frames of the video that is made one of the given video stands for."""
        ...

    def length(self, have: int, usual: int) -> int:
        """About how many frames to make of `have` where nothing is said."""
        ...

    def items(self, clip: Tensor, frames: int, strength: float, longest: Longest) -> list[Item]:
        """Where the frames (1, 3, t, Y, X) lie in a video of `frames`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Continue:
    """The video begins with it and goes on; of an illegal length the end is kept."""

    kind: Literal["continue"] = "continue"
    factor: ClassVar[int] = 1

    def length(self, have: int, usual: int) -> int:
        """The usual one, or half of it on top of a video that is as long."""
        return usual if have < usual else have + usual // 2

    def items(self, clip: Tensor, frames: int, strength: float, longest: Longest) -> list[Item]:
        """The clip's last frames, at the start."""
        have = clip.shape[2]
        count = longest(have)
        if not count:
            raise ConfigError(
                f"a video of {have} frames to continue: too short to be coded; expected a longer "
                "one, or its last frame as --image"
            )
        if count >= frames:
            raise ConfigError(
                f"{frames} frames: the given video has {count}, nothing is left to make; expected "
                f"more than {count}"
            )
        return [Item(clip[:, :, have - count :], 0, strength)]


@dataclass(frozen=True, kw_only=True)
class Edit:
    """All of the video is given, softly: video to video."""

    kind: Literal["edit"] = "edit"
    factor: ClassVar[int] = 1

    def length(self, have: int, usual: int) -> int:
        """As long as it is."""
        return have

    def items(self, clip: Tensor, frames: int, strength: float, longest: Longest) -> list[Item]:
        """The clip's first frames, all of them."""
        if clip.shape[2] < frames:
            raise ConfigError(
                f"{frames} frames: the given video has {clip.shape[2]}; expected at most "
                f"{longest(clip.shape[2])}"
            )
        if strength >= 1.0:
            raise ConfigError(
                "strength 1 keeps all of the video, nothing would change; expected less, e.g. "
                "--strength 0.5"
            )
        return [Item(clip[:, :, :frames], 0, strength)]


@dataclass(frozen=True, kw_only=True)
class Interpolate:
    """Its frames are given `factor` frames apart; what lies between is made."""

    kind: Literal["interpolate"] = "interpolate"
    factor: int = 2

    def length(self, have: int, usual: int) -> int:
        """From its first frame to its last."""
        return self.factor * (have - 1) + 1

    def items(self, clip: Tensor, frames: int, strength: float, longest: Longest) -> list[Item]:
        """Frames 0, factor, 2 factor, ..."""
        count = (frames - 1) // self.factor + 1
        if clip.shape[2] < count:
            raise ConfigError(
                f"{frames} frames between those of a video of {clip.shape[2]}: expected at most "
                f"{longest(self.length(clip.shape[2], frames))}"
            )
        if count < 2:
            raise ConfigError(
                f"{clip.shape[2]} frames to interpolate: expected at least two, and {frames} "
                f"frames to be made: at least {self.factor + 1}"
            )
        return every_other(clip[:, :, :count], self.factor, strength)


USES: dict[str, Use] = {use.kind: use for use in (Continue(), Edit(), Interpolate())}
LOOP = "loop"
TASKS = (*USES, LOOP)


def use(task: str) -> Use:
    """What a video is for in a task; in a loop it is gone on with.

    Raises:
        ConfigError: there is no such task.
    """
    if task not in TASKS:
        raise ConfigError(f"task {task!r}{nearest(task, TASKS)}; expected {', '.join(TASKS)}")
    return USES.get(task, Continue())


def picture(image: Tensor, height: int, width: int) -> Tensor:
    """uint8 (Y, X, 3) or (t, Y, X, 3) of any size -> (1, 3, t, height, width) in [-1, 1]."""
    frames = image if image.ndim == 4 else image[None]
    return to_unit(cover(frames, height, width))
