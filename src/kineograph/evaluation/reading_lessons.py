"""What the eyes of the reader are asked while they learn: one lesson for each of the four.

A lesson holds a network, and gives its loss on some clips. A third of the clips is soiled.

Shapes: B clips of M moments of S x S pixels, at most K toys; R frames; G x G cells.
"""

import math
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    interpolate,
    one_hot,
    smooth_l1_loss,
)

from kineograph.evaluation.reader_train import soiled
from kineograph.evaluation.reading import VALUES
from kineograph.evaluation.reading_clips import MOMENTS, NO, Clips
from kineograph.evaluation.reading_eyes import (
    DRIFT,
    LOOKS,
    TURNS,
    Drift,
    Finder,
    Looker,
    Turner,
    crops,
    pairs,
)

Losses = Mapping[str, Tensor]
"""What is added up, by name."""

OPEN, HIDDEN = 0.3, 0.08
"""Share of a toy that is seen from which on it must be found, and below which it must not be."""

AREA = 2.4
"""About how large a toy's picture is, in squared radii."""

UNIT = 0.05
"""Of the camera's numbers: what the `Drift` says is in these units."""


class Lessons(Protocol):
    """A module that is taught; `learner` is the part that is kept."""

    learner: nn.Module

    def losses(self, clips: Clips, generator: torch.Generator) -> Losses:
        """What is wrong with what it says of B clips."""
        ...


class FindToys(nn.Module):
    """The `Finder`, asked about three moments of each clip; a few frames are of no world at all."""

    def __init__(self) -> None:
        super().__init__()
        self.learner = Finder()

    def losses(self, clips: Clips, generator: torch.Generator) -> Losses:
        """Heat, place, floor, backdrop, and whether a frame is of the world."""
        count = len(clips)
        moment = torch.randint(MOMENTS, (count, 3), generator=generator)
        rows = torch.arange(count)[:, None]
        x = seen_by(clips.video[rows, moment], generator).flatten(0, 1)
        place = clips.place[rows, moment].flatten(0, 1)
        share = clips.seen[rows, moment].flatten(0, 1)
        about = clips.scene.repeat_interleave(3, 0).long()
        strange = torch.rand(len(x), generator=generator) < 0.2
        x[strange] = odd(x, generator)[strange]
        found = self.learner(x * 2 - 1)
        real = ~strange
        heat, place_loss = _toys(found.heat[real], found.place[real], place[real], share[real])
        known = binary_cross_entropy_with_logits(found.known, real.float())
        return {
            "heat": heat,
            "place": place_loss,
            "floor": cross_entropy(found.floor[real], about[real, 0]),
            "backdrop": cross_entropy(found.backdrop[real], about[real, 1]),
            "known": known,
        }


class LookAtToys(nn.Module):
    """The `Looker`, asked for colour and shape at each moment, and for the motion by all of them.

    Toys are cut out not quite where they are. The motion is read by a head that is thrown away; it
    is told how the camera moves.
    """

    def __init__(self) -> None:
        super().__init__()
        self.learner = Looker()
        inside = MOMENTS * (LOOKS + 4 + 4)
        self.head = nn.Sequential(
            nn.Linear(inside, 128), nn.SiLU(), nn.Linear(128, len(VALUES["motion"]))
        )

    def losses(self, clips: Clips, generator: torch.Generator) -> Losses:
        """Colour and shape of every toy at every moment that shows it, and its motion."""
        x = seen_by(clips.video, generator)
        clip, toy = torch.nonzero(clips.toy[..., 0] != NO, as_tuple=True)
        place = clips.place[clip, :, toy]  # (toys, M, 3)
        visible = clips.seen[clip, :, toy] > OPEN * AREA * place[..., 2] ** 2
        jittered = shaken(place, generator)
        cut = crops(x[clip].flatten(0, 1), jittered.flatten(0, 1))
        colour, shape, looks = self.learner(cut * 2 - 1)
        told = clips.toy[clip, toy].long()
        hues = told[:, :1].repeat(1, MOMENTS)
        changes = told[:, 3] != NO
        hues[changes] = NO
        hues[changes, 0], hues[changes, -1] = told[changes, 0], told[changes, 3]
        hues[~visible] = NO
        forms = told[:, 1:2].repeat(1, MOMENTS).masked_fill(~visible, NO)
        path = torch.cat(
            [jittered[..., :2], jittered[..., 2:].log(), visible[..., None].float()], -1
        )
        camera = (clips.camera - clips.camera[:, 4:5])[clip] * 4
        kept = looks.reshape(len(clip), MOMENTS, LOOKS) * visible[..., None]
        motion = self.head(torch.cat([kept, path, camera], -1).flatten(1))
        return {
            "colour": asked(colour, hues.flatten()),
            "shape": asked(shape, forms.flatten()),
            "motion": asked(motion, told[:, 2]),
        }


class SeeTurns(nn.Module):
    """The `Turner`, asked for the turn in each step, and for the motion by all of them.

    Toys are cut out not quite where they are. The motion is read by a head that is thrown away; it
    is told how the camera moves.
    """

    def __init__(self) -> None:
        super().__init__()
        self.learner = Turner()
        inside = (MOMENTS - 1) * (1 + TURNS + 4)
        self.head = nn.Sequential(
            nn.Linear(inside, 128), nn.SiLU(), nn.Linear(128, len(VALUES["motion"]))
        )

    def losses(self, clips: Clips, generator: torch.Generator) -> Losses:
        """Turns of every toy in every step that shows it, and its motion."""
        x = seen_by(clips.video, generator)
        clip, toy = torch.nonzero(clips.toy[..., 0] != NO, as_tuple=True)
        place = clips.place[clip, :, toy]  # (toys, M, 3)
        visible = clips.seen[clip, :, toy] > OPEN * AREA * place[..., 2] ** 2
        jittered = shaken(place, generator)
        cut = crops(x[clip].flatten(0, 1), jittered.flatten(0, 1))
        cut = cut.reshape(len(clip), MOMENTS, *cut.shape[1:]) * 2 - 1
        seen = self.learner(torch.cat([cut[:, :-1], cut[:, 1:]], 2).flatten(0, 1))
        turn = clips.yaw[clip, :, toy].diff(dim=1)
        turn = torch.remainder(turn + math.pi, 2 * math.pi) - math.pi
        both = visible[:, 1:] & visible[:, :-1]
        apart = smooth_l1_loss(seen[:, 0], turn.flatten(), reduction="none", beta=0.1)
        camera = clips.camera.diff(dim=1)[clip] / UNIT
        seen = torch.cat([seen.reshape(*both.shape, -1) * both[..., None], camera], -1)
        return {
            "turn": 4 * (apart * both.flatten()).sum() / both.sum().clamp(min=1),
            "motion": asked(self.head(seen.flatten(1)), clips.toy[clip, toy, 2].long()),
        }


class FollowCamera(nn.Module):
    """The `Drift`, asked how the camera moves in each step, and for the move by all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.learner = Drift()
        self.head = nn.Sequential(
            nn.Linear((MOMENTS - 1) * (DRIFT + 4), 64), nn.SiLU(), nn.Linear(64, 8)
        )

    def losses(self, clips: Clips, generator: torch.Generator) -> Losses:
        """The camera's four numbers in each step, and its move."""
        x = seen_by(clips.video, generator) * 2 - 1
        move, drift = self.learner(pairs(x))
        steps = clips.camera.diff(dim=1).flatten(0, 1) / UNIT
        seen = torch.cat([move, drift], -1).reshape(len(clips), -1)
        return {
            "move": smooth_l1_loss(move, steps),
            "camera": cross_entropy(self.head(seen), clips.scene[:, 2].long()),
        }


def asked(logits: Tensor, true: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy of rows (R, values) whose value (R,) is known; 0 when none is."""
    total = cross_entropy(logits, true, ignore_index=NO, reduction="sum", label_smoothing=smoothing)
    return total / (true != NO).sum().clamp(min=1)


def shaken(place: Tensor, generator: torch.Generator) -> Tensor:
    """Places (..., 3) as far from the true ones as a reader would take them to be."""
    wrong = torch.randn(place.shape, generator=generator)
    middle = place[..., :2] + 0.07 * wrong[..., :2] * place[..., 2:]
    return torch.cat([middle, place[..., 2:] * (0.07 * wrong[..., 2:]).exp()], -1)


def seen_by(video: Tensor, generator: torch.Generator) -> Tensor:
    """(B, M, S, S, 3) uint8 -> (B, M, 3, S, S) in [0, 1], the first third of the clips soiled."""
    x = video.movedim(-1, 2).float() / 255
    third = len(x) // 3
    x[:third] = soiled(x[:third], generator)
    return x


def odd(x: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures of no world, (R, 3, S, S): noise of any grain, two frames in one, in pieces."""
    count, _, side, _ = x.shape
    kind = torch.randint(5, (count,), generator=generator)
    grain = 2 ** int(torch.randint(1, 7, (), generator=generator))
    noise = torch.rand((count, 3, grain, grain), generator=generator)
    strength = 0.2 + 0.8 * torch.rand((count, 1, 1, 1), generator=generator)
    level = torch.rand((count, 3, 1, 1), generator=generator)
    noise = (level + strength * (interpolate(noise, (side, side), mode="bilinear") - 0.5)).clamp(
        0, 1
    )
    share = 0.3 + 0.4 * torch.rand((count, 1, 1, 1), generator=generator)
    mixed = torch.lerp(x, x.roll(count // 3 + 1, 0), share)
    piece = side // 4
    tiles = x.unfold(2, piece, piece).unfold(3, piece, piece).flatten(2, 3)
    tiles = tiles[:, :, torch.randperm(16, generator=generator)]
    shuffled = tiles.reshape(count, 3, 4, 4, piece, piece).transpose(3, 4).reshape(x.shape)
    choice = kind[:, None, None, None]
    x = torch.where(choice == 0, noise, mixed)
    return torch.where(choice == 1, shuffled, x)


def _toys(heat: Tensor, said: Tensor, place: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of heat (R, G, G) and place (R, 3, G, G), given the toys (R, K, 3) and their shares.

    Focal loss after "Objects as Points" (2019, eq. 1): cells near a centre count little.
    """
    side = heat.shape[-1]
    ticks = (torch.arange(side) + 0.5) / side
    there = place[..., 0].isfinite() & (place[..., :2] >= 0).all(-1) & (place[..., :2] < 1).all(-1)
    x, y, radius = place.nan_to_num(9.0).unbind(-1)
    visible = share / (AREA * radius**2)
    away = (ticks - x[..., None])[:, :, None] ** 2 + ((ticks - y[..., None]) ** 2)[..., None]
    near = torch.exp(-away * side**2 / (2 * 0.8**2)) * there[..., None, None]  # (R, K, G, G)
    cell = (y * side).long().clamp(0, side - 1) * side + (x * side).long().clamp(0, side - 1)
    centre = one_hot(cell, side * side).reshape(near.shape).float() * there[..., None, None]
    open_ = (visible > OPEN)[..., None, None]
    shown = (visible > HIDDEN)[..., None, None]
    centre = (centre * open_).amax(1)
    near = near * shown
    unsure = ((near > 0.2) & ~open_).any(1) & (centre == 0)
    closest = near.amax(1)
    share_ = heat.sigmoid()
    bright = nn.functional.logsigmoid(heat) * (1 - share_) ** 2 * centre
    dark = nn.functional.logsigmoid(-heat) * share_**2 * (1 - closest) ** 4 * (1 - centre)
    focal = -(bright + dark * ~unsure).sum() / centre.sum().clamp(min=1)
    owner = near.argmax(1, keepdim=True)
    true = place.nan_to_num(0.0)[:, :, :, None, None].expand(*place.shape, side, side)
    true = true.gather(1, owner[:, :, None].expand(-1, -1, 3, -1, -1))[:, 0]
    weight = (closest > 0.4) * closest
    apart = smooth_l1_loss(said * side, true * side, reduction="none", beta=0.3).sum(1)
    return focal, (apart * weight).sum() / weight.sum().clamp(min=1)


LESSONS: Mapping[str, type[FindToys] | type[LookAtToys] | type[SeeTurns] | type[FollowCamera]] = {
    "finder": FindToys,
    "looker": LookAtToys,
    "turner": SeeTurns,
    "drift": FollowCamera,
}
"""Each network of the eyes, and what teaches it."""
