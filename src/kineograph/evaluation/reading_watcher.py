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
from kineograph.evaluation.reading_camera import explain
from kineograph.evaluation.reading_clips import MOMENTS, SIZE, TOYS
from kineograph.evaluation.reading_eyes import (
    TURNS,
    Drift,
    Finder,
    Looker,
    Turner,
    crops,
    pairs,
)
from kineograph.evaluation.reading_mind import Mind, Seen
from kineograph.evaluation.reading_moments import moments
from kineograph.evaluation.reading_tracks import Track, dots, follow

SURE = 0.5
"""How likely it must be that a clip shows the world; below, nothing is said."""


@dataclass(frozen=True, eq=False)
class Watched:
    """What the eyes saw of one clip, toys in any order.

    known: logit. floor: (5,), backdrop: (3,) logits. drift: (M - 1, STEP). tracks: K of them.
    colour: (K, M, 10), shape: (K, M, 5) logits, looks: (K, M, LOOKS), zero where a toy is hidden.
    turn: (K, M - 1, 1 + TURNS).
    """

    known: Tensor
    floor: Tensor
    backdrop: Tensor
    drift: Tensor
    tracks: tuple[Track, ...]
    colour: Tensor
    shape: Tensor
    looks: Tensor
    turn: Tensor


class Watcher(nn.Module):
    """Reads clips of one to three toys under a moving camera; a `Judge`."""

    def __init__(self) -> None:
        super().__init__()
        self.level = 3
        self.accuracy: Mapping[str, float] = {}
        self.finder, self.looker, self.turner = Finder(), Looker(), Turner()
        self.drift, self.mind = Drift(), Mind()

    @torch.no_grad()
    def look(self, video: Tensor) -> tuple[Sight, ...]:
        """Say what clips show.

        Args:
            video: (B, T, Y, X, 3) uint8, about two seconds. Of a picture (T = 1), neither motion
                nor camera is said.

        Returns:
            One sight for each of the B clips.
        """
        frames = moments(video, MOMENTS, SIZE)
        watched = self.watch(frames)
        thought = self.mind(collect(frames, watched))
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
                    looks=memory,
                    turn=self._turns(frames[clip], tracks),
                )
            )
        return tuple(rows)

    def _turns(self, frames: Tensor, tracks: Sequence[Track]) -> Tensor:
        """How each toy turns between the moments of one clip."""
        if not tracks:
            return torch.zeros(0, MOMENTS - 1, 1 + TURNS)
        place = torch.stack([track.place for track in tracks])
        every = frames.repeat(len(tracks), 1, 1, 1)
        cut = crops(every, place.flatten(0, 1))
        cut = cut.reshape(len(tracks), MOMENTS, *cut.shape[1:])
        both = torch.cat([cut[:, :-1], cut[:, 1:]], 2).flatten(0, 1)
        seen: Tensor = self.turner(both.contiguous(memory_format=torch.channels_last))
        return seen.reshape(len(tracks), MOMENTS - 1, -1)


def collect(frames: Tensor, watched: Sequence[Watched]) -> Seen:
    """What the mind is given of some clips (B, M, 3, S, S)."""
    explained = explain(frames, [one.tracks for one in watched])
    cost = torch.cat([explained.cost, explained.best[:, None]], -1)
    return Seen(
        drift=torch.stack([one.drift for one in watched]),
        floor=torch.stack([one.floor for one in watched]).softmax(-1),
        cost=cost,
        choice=explained.choice,
        place=_padded([_places(one.tracks) for one in watched]),
        open=_padded([_open(one.tracks) for one in watched]),
        shape=_padded([_shares(one.shape, _open(one.tracks)).mean(1) for one in watched]),
        colour=_padded([_shares(one.colour, _open(one.tracks)) for one in watched]),
        looks=_padded([one.looks for one in watched]),
        turn=_padded([one.turn for one in watched]),
        there=_padded([torch.ones(len(one.tracks)) for one in watched]) > 0,
    )


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


def _padded(rows: Sequence[Tensor]) -> Tensor:
    """What is known of the toys of each clip, (B, K, ...); zero for toys that are not there."""
    whole = torch.zeros(len(rows), TOYS, *rows[0].shape[1:])
    for number, row in enumerate(rows):
        whole[number, : len(row)] = row
    return whole


def _places(tracks: Sequence[Track]) -> Tensor:
    """(K, M, 3)."""
    return torch.stack([one.place for one in tracks]) if tracks else torch.zeros(0, MOMENTS, 3)


def _open(tracks: Sequence[Track]) -> Tensor:
    """(K, M): 1 where a toy is seen."""
    rows = [[float(number >= 0) for number in track.dot] for track in tracks]
    return torch.tensor(rows) if rows else torch.zeros(0, MOMENTS)


def _shares(logits: Tensor, seen: Tensor) -> Tensor:
    """(K, M, n) logits as shares, zero where the toy is hidden."""
    return logits.softmax(-1) * seen[..., None]


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
