"""The reader of all levels: eyes that see single moments, tracks of toys, a mind that judges clips.

Shapes: B clips of T frames of Y x X pixels; M moments of S x S pixels; K toys.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from kineograph.evaluation.reading import (
    UNKNOWN,
    VALUES,
    Related,
    Said,
    Sight,
    ToySeen,
)
from kineograph.evaluation.reading_clips import MOMENTS, SIZE, TOYS
from kineograph.evaluation.reading_eyes import Drift, Finder, Looker, crops, pairs
from kineograph.evaluation.reading_mind import TOY, Mind, Seen
from kineograph.evaluation.reading_moments import moments
from kineograph.evaluation.reading_tracks import Track, dots, follow

SURE = 0.5
"""How likely it must be that a clip shows the world; below, nothing is said."""


@dataclass(frozen=True, eq=False)
class Watched:
    """What the eyes saw of one clip, toys in any order.

    known: logit. floor: (5,), backdrop: (3,) logits. drift: (M - 1, STEP). tracks: K of them.
    colour: (K, M, 10), shape: (K, M, 5) logits, zero where a toy is hidden. toys: (K, M, TOY).
    """

    known: Tensor
    floor: Tensor
    backdrop: Tensor
    drift: Tensor
    tracks: tuple[Track, ...]
    colour: Tensor
    shape: Tensor
    toys: Tensor


class Watcher(nn.Module):
    """Reads clips of one to three toys under a moving camera; a `Judge`."""

    def __init__(self) -> None:
        super().__init__()
        self.level = 3
        self.accuracy: Mapping[str, float] = {}
        self.finder, self.looker, self.drift, self.mind = Finder(), Looker(), Drift(), Mind()

    @torch.no_grad()
    def look(self, video: Tensor) -> tuple[Sight, ...]:
        """Say what clips show.

        Args:
            video: (B, T, Y, X, 3) uint8, about two seconds. Of a picture (T = 1), neither motion
                nor camera is said.

        Returns:
            One sight for each of the B clips.
        """
        watched = self.watch(moments(video, MOMENTS, SIZE))
        thought = self.mind(collect(watched))
        moving = video.shape[1] > 1
        return tuple(
            _sight(
                one,
                thought.motion[row].softmax(-1),
                thought.camera[row].softmax(-1),
                thought.relation[row].softmax(-1),
                moving=moving,
            )
            for row, one in enumerate(watched)
        )

    @torch.no_grad()
    def watch(self, frames: Tensor) -> tuple[Watched, ...]:
        """What the eyes see of clips (B, M, 3, S, S) in [-1, 1]."""
        count = len(frames)
        flat = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        found = self.finder(flat)
        steps = torch.cat(self.drift(pairs(frames)), -1).reshape(count, MOMENTS - 1, -1)
        seen = dots(found.heat, found.place)
        number = [len(one.heat) for one in seen]
        owner = torch.arange(len(seen)).repeat_interleave(torch.tensor(number))
        cut = crops(flat[owner], torch.cat([one.place for one in seen]))
        looks = [part.split(number) for part in self.looker(cut)]
        rows = []
        for clip in range(count):
            part = slice(clip * MOMENTS, (clip + 1) * MOMENTS)
            hue, form, kept = (one[part] for one in looks)
            alike = [
                torch.cat([a.softmax(-1), b.softmax(-1)], -1)
                for a, b in zip(hue, form, strict=True)
            ]
            tracks = follow(seen[part], alike)
            colour, shape, memory = (_along(tracks, one) for one in (hue, form, kept))
            rows.append(
                Watched(
                    known=found.known[part].mean(),
                    floor=found.floor[part].mean(0),
                    backdrop=found.backdrop[part].mean(0),
                    drift=steps[clip],
                    tracks=tracks,
                    colour=colour,
                    shape=shape,
                    toys=_features(tracks, colour, memory),
                )
            )
        return tuple(rows)


def collect(watched: Sequence[Watched]) -> Seen:
    """What the mind is given of some clips."""
    toys = torch.zeros(len(watched), TOYS, MOMENTS, TOY)
    there = torch.zeros(len(watched), TOYS, dtype=torch.bool)
    for row, one in enumerate(watched):
        toys[row, : len(one.tracks)] = one.toys
        there[row, : len(one.tracks)] = True
    drift = torch.stack([one.drift for one in watched])
    floor = torch.stack([one.floor for one in watched]).softmax(-1)
    return Seen(drift, floor, toys, there)


def load(folder: Path, level: int = 3) -> Watcher:
    """The reader of a folder, `watcher.safetensors` beside `watcher.json`, for clips of a level."""
    about = json.loads((folder / "watcher.json").read_text(encoding="utf-8"))
    watcher = read(folder)
    watcher.level = level
    watcher.accuracy = about["accuracy"][f"level {level}"]["as rendered"]
    return watcher


def read(folder: Path) -> Watcher:
    """The weights of a folder, whatever they are worth."""
    from kineograph.checkpoints import files

    watcher = Watcher()
    files.load_into(watcher, files.read(folder / "watcher.safetensors"))
    return watcher.eval().requires_grad_(False)


def _along(tracks: Sequence[Track], of_dots: Sequence[Tensor]) -> Tensor:
    """What belongs to the dots of each track, (K, M, n); zero where the toy is hidden."""
    rows = torch.zeros(len(tracks), len(of_dots), of_dots[0].shape[-1])
    for k, track in enumerate(tracks):
        for m, number in enumerate(track.dot):
            if number >= 0:
                rows[k, m] = of_dots[m][number]
    return rows


def _features(tracks: Sequence[Track], colour: Tensor, memory: Tensor) -> Tensor:
    """(K, M, TOY): path, what the looker keeps, shares of colours."""
    if not tracks:
        return torch.zeros(0, MOMENTS, TOY)
    place = torch.stack([track.place for track in tracks])
    seen = torch.tensor([[number >= 0 for number in track.dot] for track in tracks]).float()
    path = [place[..., :2], place[..., 2:].clamp(min=0.01).log(), seen[..., None]]
    return torch.cat([*path, memory, colour.softmax(-1) * seen[..., None]], -1)


def _said(name: str, shares: Tensor) -> Said:
    """The most likely value; shares (values,) may end with one that stands for none of them."""
    share, index = shares.max(-1)
    if int(index) >= len(VALUES[name]):
        return Said(None, round(float(share), 4))
    return Said(VALUES[name][int(index)], round(float(share), 4))


def _sight(
    one: Watched, motion: Tensor, camera: Tensor, relation: Tensor, *, moving: bool
) -> Sight:
    """Everything of one clip, given the shares of its motions, camera's moves and relations."""
    known = float(one.known.sigmoid()) if one.tracks else 0.0
    if known < SURE:
        names = ("count", "floor", "backdrop", "camera")
        return Sight(known=round(known, 4), scene=dict.fromkeys(names, UNKNOWN))
    count = len(one.tracks)
    scene = {
        "count": Said(str(count), 1.0),
        "floor": _said("floor", one.floor.softmax(-1)),
        "backdrop": _said("backdrop", one.backdrop.softmax(-1)),
        "camera": _said("camera", camera) if moving else UNKNOWN,
    }
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    return Sight(
        known=round(known, 4),
        toys=tuple(_toy(one, k, motion[k], moving=moving) for k in range(count)),
        scene=scene,
        relations=tuple(
            Related(first=i, second=j, said=_said("relation", relation[i, j])) for i, j in pairs
        ),
    )


def _toy(one: Watched, k: int, motion: Tensor, *, moving: bool) -> ToySeen:
    """One toy; of one that changes its colour, the first and the last that is seen."""
    track = one.tracks[k]
    seen = [m for m, number in enumerate(track.dot) if number >= 0]
    hue, form = one.colour[k].log_softmax(-1), one.shape[k].log_softmax(-1)
    deed = _said("motion", motion) if moving else UNKNOWN
    said = {"shape": _said("shape", form[seen].mean(0).softmax(-1)), "motion": deed}
    if deed.value == "recolour":
        said["colour"] = _said("colour", hue[seen[:2]].mean(0).softmax(-1))
        said["becomes"] = _said("becomes", hue[seen[-2:]].mean(0).softmax(-1))
    else:
        said["colour"] = _said("colour", hue[seen].mean(0).softmax(-1))
    x, y, _ = track.place[MOMENTS // 2].tolist()
    return ToySeen(said=said, x=round(x, 4), y=round(y, 4))
