"""The renderer: scenes and moments in, frames and masks out.

Shapes: B scenes, T moments, M = B x T frames of Y x X pixels, N appearances of a toy in a frame.
The floor and sky are drawn once where the camera rests; each toy is drawn only inside its
rectangle, from far to near; the sub-samples of a pixel are averaged before colours are mixed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kineograph.toybox.camera import View, view
from kineograph.toybox.ground import PATTERNS, background, shadow
from kineograph.toybox.rays import Lens, Window, grid
from kineograph.toybox.scene import Scene
from kineograph.toybox.shading import shade, trace
from kineograph.toybox.stage import SHAPES, Cast, Stage, World, batches, stage, window

CPU_RAYS = 1 << 16
"""Rays drawn at once on a CPU: a plane of them stays in its second-level cache."""

DEVICE_RAYS = 1 << 26
"""Rays drawn at once on an accelerator."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """Frames and masks.

    video: (B, T, Y, X, 3) uint8, as it is shown. masks: (B, T, Y, X) uint8, 0 where no toy is,
    else the 1-based number of the toy in its scene.
    """

    video: Tensor
    masks: Tensor


def times(frames: int, fps: float) -> Tensor:
    """The moments of a clip in seconds, (T,) float64: the first is 0."""
    return torch.arange(frames, dtype=torch.float64) / fps


@torch.no_grad()
def render(
    scenes: Sequence[Scene],
    times: Tensor,
    size: tuple[int, int],
    *,
    supersample: int = 2,
    device: str | torch.device = "cpu",
) -> Rendered:
    """Draw every scene at every moment.

    Args:
        scenes: B of them.
        times: (T,) seconds, in any order.
        size: rows and columns of the picture.
        supersample: a pixel is the mean of supersample² rays.
        device: where to draw.

    Returns:
        Frames and masks, on the device.
    """
    views = [view(scene.camera, times, scene.seconds) for scene in scenes]
    return render_from(scenes, views, times, size, supersample=supersample, device=device)


@torch.no_grad()
def render_from(
    scenes: Sequence[Scene],
    views: Sequence[View],
    times: Tensor,
    size: tuple[int, int],
    *,
    supersample: int = 2,
    device: str | torch.device = "cpu",
) -> Rendered:
    """Like `render`, but each scene is seen by the view given for it, T moments long."""
    device = torch.device(device)
    rays = len(times) * size[0] * size[1] * supersample**2
    together = max(1, _budget(device) // rays)
    drawn = []
    for start in range(0, len(scenes), together):
        part = slice(start, start + together)
        drawn.append(_draw(stage(scenes[part], views[part], times, size, device), supersample))
    shape = (len(scenes), len(times), *size)
    video = torch.cat([video for video, _ in drawn]).reshape(*shape, 3)
    return Rendered(video, torch.cat([mask for _, mask in drawn]).reshape(shape))


def _draw(stage: Stage, supersample: int) -> tuple[Tensor, Tensor]:
    """Frames (M, Y, X, 3) and masks (M, Y, X) of a stage, uint8."""
    canvas = _scenery(stage, supersample)
    masks = torch.zeros(canvas.shape[1:], dtype=torch.uint8, device=canvas.device)
    cast, budget = stage.cast, _budget(canvas.device)
    for index in batches(cast.shadow_box, cast.shape, budget):
        _darken(canvas, stage, cast.at(index))
    layers = cast.layer * len(SHAPES) + cast.shape
    for index in batches(cast.box, layers, budget // supersample**2):
        _place(canvas, masks, stage, cast.at(index), supersample)
    video = canvas.clamp_(0, 1).sqrt_().mul_(255).add_(0.5).to(torch.uint8)
    return video.permute(1, 2, 3, 0).contiguous(), masks


def _budget(device: torch.device) -> int:
    return CPU_RAYS if device.type == "cpu" else DEVICE_RAYS


def _scenery(stage: Stage, supersample: int) -> Tensor:
    """Floors and skies, (3, M, Y, X) linear; a scene whose camera rests is drawn once."""
    rows, cols = stage.size
    device = stage.lens.origin.device
    new = torch.ones(len(stage.scene), dtype=torch.bool)
    new[1:] = (stage.scene[1:] != stage.scene[:-1]) | ~stage.still[stage.scene[1:]]
    frames = torch.nonzero(new)[:, 0]
    kinds = [stage.floors[scene] for scene in stage.scene[frames].tolist()]
    canvas = torch.empty(3, len(frames), rows, cols, device=device)
    count = max(1, _budget(device) // (rows * cols * supersample**2))
    for kind in sorted(set(kinds)):
        same = torch.tensor([k for k, other in enumerate(kinds) if other == kind])
        for part in torch.split(same, count):
            frame = frames[part]
            corner = torch.zeros_like(frame)
            lens = stage.lens.at(frame.to(device))
            rays = grid(Window(corner, corner, rows, cols), lens, stage.size, supersample)
            world = stage.world.at(stage.scene[frame].to(device))
            canvas[:, part.to(device)] = background(rays, lens, world, PATTERNS[kind])
    return canvas[:, (new.long().cumsum(0) - 1).to(device)]


def _darken(canvas: Tensor, stage: Stage, cast: Cast) -> None:
    """Multiply the shadows of appearances of one shape into the canvas; soft, so one ray each."""
    place = window(cast.shadow_box, stage.size)
    lens, world = _surroundings(stage, cast)
    rays = grid(place, lens, stage.size, 1)
    left = shadow(rays, lens, world, cast, SHAPES[int(cast.shape[0])])
    for row, cut in enumerate(_cuts(cast, place)):
        canvas[cut] *= left[row]


def _place(canvas: Tensor, masks: Tensor, stage: Stage, cast: Cast, supersample: int) -> None:
    """Paint appearances of one shape over the canvas, and their numbers into the masks."""
    place = window(cast.box, stage.size)
    lens, world = _surroundings(stage, cast)
    rays = grid(place, lens, stage.size, supersample)
    hit, up = trace(rays, lens, cast)
    cover, colour = shade(hit, up, lens, world, cast)
    for row, cut in enumerate(_cuts(cast, place)):
        canvas[cut] *= 1 - cover[row]
        canvas[cut] += colour[:, row]
        ids = masks[cut[1:]]
        ids.masked_fill_(cover[row] >= 0.5, int(cast.toy[row]))


def _surroundings(stage: Stage, cast: Cast) -> tuple[Lens, World]:
    """Camera and world of every appearance."""
    device = stage.lens.origin.device
    return stage.lens.at(cast.frame.to(device)), stage.world.at(cast.scene.to(device))


def _cuts(cast: Cast, place: Window) -> Iterator[tuple[slice | int, ...]]:
    """Where each appearance's window lies in (3, M, Y, X)."""
    rows = zip(cast.frame.tolist(), place.top.tolist(), place.left.tolist(), strict=True)
    for frame, top, left in rows:
        yield slice(None), frame, slice(top, top + place.rows), slice(left, left + place.cols)
