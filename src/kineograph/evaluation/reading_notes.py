"""Teaching the mind: what the eyes saw of many clips is noted once, and then gone through often.

Shapes: N clips of M moments, K toys.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import torch
from torch import Tensor

from kineograph.evaluation.reading import VALUES
from kineograph.evaluation.reading_clips import NO, TOYS, Clips
from kineograph.evaluation.reading_lessons import asked, seen_by
from kineograph.evaluation.reading_mind import NONE, Mind, Seen
from kineograph.evaluation.reading_tracks import Track
from kineograph.evaluation.reading_variants import MIRROR
from kineograph.evaluation.reading_watcher import Watcher, collect

FAR = 0.12
"""A track that is farther than this from a toy on average, in shares of the picture, is not it."""

INVERSE = {**MIRROR, "in front of": "behind", "behind": "in front of"}
"""A relation as seen from the other toy; collisions and passages have no word for that."""


@dataclass(frozen=True, eq=False)
class Notes:
    """What was seen of N clips, and what is true of it; NO where nothing is said.

    motion: (N, K), camera: (N,), relation: (N, K, K).
    """

    seen: Seen
    motion: Tensor
    camera: Tensor
    relation: Tensor

    def at(self, index: Tensor) -> "Notes":
        """Some of the notes."""
        seen = Seen(*(column[index] for column in vars(self.seen).values()))
        return Notes(seen, self.motion[index], self.camera[index], self.relation[index])

    def plain(self) -> dict[str, Tensor]:
        """All columns, for a file."""
        true = {"motion": self.motion, "camera": self.camera, "relation": self.relation}
        return {**vars(self.seen), **true}


def joined(parts: Sequence[Mapping[str, Tensor]]) -> Notes:
    """The notes of several files."""
    columns = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    true = [columns.pop(name) for name in ("motion", "camera", "relation")]
    return Notes(Seen(**columns), *true)


def note(watcher: Watcher, clips: Clips, generator: torch.Generator) -> Notes:
    """Watch clips, a third of them soiled, and note what is true of each track."""
    frames = seen_by(clips.video, generator) * 2 - 1
    watched = watcher.watch(frames)
    motion = torch.full((len(clips), TOYS), NO)
    relation = torch.full((len(clips), TOYS, TOYS), NO)
    for row, one in enumerate(watched):
        owner = matched(one.tracks, clips.place[row])
        for k, toy in enumerate(owner):
            if toy != NO:
                motion[row, k] = int(clips.toy[row, toy, 2])
        told = int(clips.scene[row, 3])
        if told != NO and {0, 1} <= set(owner):
            first, second = owner.index(0), owner.index(1)
            relation[row, first, second] = told
            relation[row, second, first] = _inverse(told)
    return Notes(collect(frames, watched), motion, clips.scene[:, 2].long(), relation)


def matched(tracks: Sequence[Track], place: Tensor) -> list[int]:
    """Which toy of place (M, K, 3) each track is, NO for none: the nearest of all assignments."""
    found = place[..., :2].isfinite().all(-1).all(0)
    toys = [k for k in range(place.shape[1]) if found[k]]
    away = {
        (t, k): float((track.place[:, :2] - place[:, k, :2]).norm(dim=-1).mean())
        for t, track in enumerate(tracks)
        for k in toys
    }
    options = set(permutations([*toys, *[NO] * len(tracks)], len(tracks)))
    return list(
        min(
            options,
            key=lambda row: sum(
                FAR if k == NO else min(away[t, k], 2 * FAR) for t, k in enumerate(row)
            ),
        )
    )


def load(folder: Path) -> Notes:
    """All notes of a folder."""
    return joined([torch.load(path) for path in sorted(folder.glob("notes-*.pt"))])


def teach_mind(
    notes: Notes, steps: int, say: Callable[[str], None], *, batch: int = 256, rate: float = 2e-3
) -> Mind:
    """A mind taught from nothing by notes; the last tenth of them, 512 at most, only tries it."""
    torch.manual_seed(0)
    mind = Mind().train()
    optimiser = torch.optim.AdamW(mind.parameters(), rate, weight_decay=0.05)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(0)
    learned = len(notes.camera) - min(512, len(notes.camera) // 10)
    others = notes.at(torch.arange(learned, len(notes.camera)))
    for step in range(1, steps + 1):
        some = notes.at(torch.randint(learned, (batch,), generator=generator))
        loss = _loss(mind, some)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(mind.parameters(), 1.0)
        optimiser.step()
        plan.step()
        if step % 200 == 0 or step == steps:
            right = "  ".join(f"{k} {v:.3f}" for k, v in shares(mind, others).items())
            say(f"mind {step}/{steps} ({learned} clips)  loss {loss.item():.3f}  others: {right}")
    return mind.eval()


@torch.no_grad()
def shares(mind: Mind, notes: Notes) -> dict[str, float]:
    """Share of right answers."""
    was = mind.training
    thought = mind.eval()(notes.seen)
    mind.train(was)
    found = {}
    for name, logits in vars(thought).items():
        true = vars(notes)[name]
        said = logits.argmax(-1)[true != NO]
        found[name] = float((said == true[true != NO]).float().mean())
    return found


def _loss(mind: Mind, notes: Notes) -> Tensor:
    thought = mind(notes.seen)
    pairs = (
        (thought.motion, notes.motion),
        (thought.camera, notes.camera),
        (thought.relation, notes.relation),
    )
    losses = [asked(logits.flatten(0, -2), true.flatten(), 0.02) for logits, true in pairs]
    return torch.stack(losses).sum()


def _inverse(relation: int) -> int:
    """The relation from the second toy to the first."""
    values = VALUES["relation"]
    other = INVERSE.get(values[relation])
    return NONE if other is None else values.index(other)
