"""The reader: a small network that looks at a clip and says what it sees.

It knows level 1 of the toybox: colour, shape, motion and floor, each with a confidence. Nothing
but rendered clips taught it (`reader_train.py`), so it judges a model without any outside opinion.
`judge` gives the reader of a level behind the interface of `reading.py`, which the evaluation uses.

Shapes: B clips of T frames of Y x X pixels; M moments at which a clip is looked at, S x S pixels
each; D channels of a frame's description.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from kineograph.errors import ConfigError
from kineograph.evaluation import reading_watcher
from kineograph.evaluation.reading import Judge, Said, Sight, ToySeen
from kineograph.evaluation.reading_moments import moments
from kineograph.toybox.drawing import LEVEL_1_FLOORS, LEVEL_1_MOTIONS
from kineograph.toybox.scene import Colour, Shape, words

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "colour": words(Colour),
    "shape": words(Shape),
    "motion": LEVEL_1_MOTIONS,
    "floor": LEVEL_1_FLOORS,
}
"""What can be read, and the values that it can have."""

STILL = ("colour", "shape", "floor")
"""What one frame shows; motion takes all of them."""

SHIPPED = Path(__file__).parents[1] / "weights" / "reader"
"""The folder of the reader that comes with the library."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one clip shows, and how sure the reader is of each attribute, 0 to 1."""

    values: Mapping[str, str]
    confidence: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class ReaderConfig:
    """size: S; moments: M; widths: channels after each halving of the picture; width: D."""

    size: int = 64
    moments: int = 9
    widths: tuple[int, ...] = (24, 48, 64)
    width: int = 96
    path: int = 64

    def build(self) -> "Reader":
        """A reader with random weights."""
        return Reader(self)


class Reader(nn.Module):
    """Convolutions see each moment; two small layers compare the moments.

    Colour, shape and floor are read from every moment by itself, so that a single picture can be
    read too. Motion is read from short descriptions of all moments in their order.
    """

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.config = config
        self.level = 1
        self.accuracy: Mapping[str, float] = {}
        channels = (3, *config.widths)
        self.see = nn.Sequential(
            *(_layer(a, b, 2) for a, b in pairwise(channels)),
            _layer(channels[-1], config.width, 1),
        )
        side = config.size // 2 ** len(config.widths)
        self.still = nn.ModuleDict(
            {name: nn.Linear(2 * config.width, len(ATTRIBUTES[name])) for name in STILL}
        )
        self.squeeze = nn.Conv2d(config.width, 8, 1)
        self.describe = nn.Linear(8 * side * side, config.path)
        self.motion = nn.Sequential(
            nn.Linear((2 * config.moments - 1) * config.path, 128),
            nn.SiLU(),
            nn.Linear(128, len(ATTRIBUTES["motion"])),
        )

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Say what the moments show.

        Args:
            frames: (B, M, 3, S, S) in [-1, 1].

        Returns:
            Logits of every value: (B, M, values) for colour, shape and floor, one row a moment;
            (B, 1, values) for motion.
        """
        count, moments = frames.shape[:2]
        seen = self.see(frames.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        pooled = torch.cat([seen.amax((-2, -1)), seen.mean((-2, -1))], dim=-1)
        pooled = pooled.reshape(count, moments, -1)
        path = self.describe(torch.relu(self.squeeze(seen)).flatten(1))
        path = path.reshape(count, moments, -1)
        change = torch.cat([path, path.diff(dim=1)], dim=1)
        said = {name: head(pooled) for name, head in self.still.items()}
        return {**said, "motion": self.motion(change.flatten(1))[:, None]}

    @torch.no_grad()
    def read(self, video: Tensor) -> tuple[Reading, ...]:
        """Read clips.

        Args:
            video: (B, T, Y, X, 3) uint8. T = 1 is a picture: its motion says nothing.

        Returns:
            One reading for each of the B clips.
        """
        found = {name: logits.mean(1) for name, logits in self(self.prepare(video)).items()}
        shares = {name: found[name].softmax(-1) for name in ATTRIBUTES}
        best = {name: share.max(-1) for name, share in shares.items()}
        return tuple(
            Reading(
                values={name: ATTRIBUTES[name][int(best[name].indices[row])] for name in best},
                confidence={name: round(float(best[name].values[row]), 4) for name in best},
            )
            for row in range(len(video))
        )

    def look(self, video: Tensor) -> tuple[Sight, ...]:
        """The same as one toy and a scene: (B, T, Y, X, 3) uint8 -> B sights."""
        return tuple(_sight(reading) for reading in self.read(video))

    def prepare(self, video: Tensor) -> Tensor:
        """(B, T, Y, X, 3) uint8 -> (B, M, 3, S, S) in [-1, 1], at M moments evenly spread."""
        return moments(video, self.config.moments, self.config.size)


def load(folder: Path = SHIPPED) -> Reader:
    """The reader of a folder: `reader.safetensors` beside `reader.json`."""
    from kineograph.checkpoints import files
    from kineograph.config import from_data

    about = json.loads((folder / "reader.json").read_text(encoding="utf-8"))
    reader = from_data(ReaderConfig, about["config"]).build()
    files.load_into(reader, files.read(folder / "reader.safetensors"))
    reader.accuracy = about["accuracy"]["rendered"]
    return reader.eval().requires_grad_(False)


def judge(level: int) -> Judge:
    """The shipped reader of the toybox's clips of a level."""
    if level == 1:
        return load()
    if level in (2, 3) and (SHIPPED / "watcher.safetensors").exists():
        return reading_watcher.load(SHIPPED, level)
    raise ConfigError(f"level {level}: there is no reader for it; expected {_levels()}")


def _levels() -> str:
    return "1, 2 or 3" if (SHIPPED / "watcher.safetensors").exists() else "1"


def _sight(reading: Reading) -> Sight:
    said = {name: Said(value, reading.confidence[name]) for name, value in reading.values.items()}
    toy = ToySeen(said={name: said[name] for name in ("colour", "shape", "motion")})
    return Sight(known=1.0, toys=(toy,), scene={"floor": said["floor"]})


def _layer(inside: int, outside: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.SiLU(),
    )
