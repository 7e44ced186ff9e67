"""What is known exactly of every clip: depth, positions, optical flow, the amount of motion.

Shapes: B scenes, T moments, K toys, frames of Y x X pixels. Depth is in metres along the camera's
axis; pixel coordinates are x to the right and y down, the first pixel's centre at (0.5, 0.5).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from kineograph.toybox.camera import View, view
from kineograph.toybox.ground import floor_points
from kineograph.toybox.motion import pose
from kineograph.toybox.rays import Window, grid
from kineograph.toybox.render import CPU_RAYS
from kineograph.toybox.scene import Scene
from kineograph.toybox.shading import trace
from kineograph.toybox.stage import Stage, batches, stage, window

SCORE_PIXELS = 48 * 48
"""About how many points of a frame the motion score looks at."""


@torch.no_grad()
def depth(
    scenes: Sequence[Scene],
    times: Tensor,
    size: tuple[int, int],
    *,
    device: str | torch.device = "cpu",
) -> Tensor:
    """Metres to what each pixel's centre shows, (B, T, Y, X) float32; infinite in the sky."""
    views = [view(scene.camera, times, scene.seconds) for scene in scenes]
    set_up = stage(scenes, views, times, size, torch.device(device))
    return _surfaces(set_up)[0].reshape(len(scenes), len(times), *size)


def positions(scene: Scene, times: Tensor, size: tuple[int, int]) -> Tensor:
    """Where the toys' centres appear, (T, K, 3) float64: pixels x and y, and depth."""
    centres = [pose(toy, times, scene.seconds).centre for toy in scene.toys]
    seen = view(scene.camera, times, scene.seconds)
    return seen.project(torch.stack(centres, dim=1), size)


@torch.no_grad()
def flow(scene: Scene, times: Tensor, size: tuple[int, int]) -> Tensor:
    """Where each pixel's point of the world goes until the next moment, (T - 1, Y, X, 2) float32.

    In pixels, x and y. Toys carry their points along, turning and growing; the sky is infinitely
    far. Points that become hidden, or leave the picture, keep their true motion.
    """
    seen = view(scene.camera, times, scene.seconds)
    near, ids = _surfaces(stage([scene], [seen], times, size, torch.device("cpu")))
    start = _pixels(size)
    rays = _directions(seen, start, size)
    points = near.double().clamp(max=1e9)[..., None] * rays + seen.origin[:, None, None]
    moved = points[:-1].clone()
    for number, toy in enumerate(scene.toys, start=1):
        p = pose(toy, times, scene.seconds)
        local = (points[:-1] - p.centre[:-1, None, None]) @ p.rotation[:-1, None]
        local = local * (p.radius[1:] / p.radius[:-1])[:, None, None, None]
        carried = local @ p.rotation[1:, None].transpose(-1, -2) + p.centre[1:, None, None]
        moved = torch.where((ids[:-1] == number)[..., None], carried, moved)
    after = View(seen.origin[1:], seen.axes[1:], seen.focal[1:])
    end = after.project(moved, size)[..., :2]
    return (end - start).float()


def motion_score(scene: Scene, times: Tensor, size: tuple[int, int]) -> float:
    """Mean length of the optical flow of a clip, in pixels per frame of the given size."""
    if len(times) < 2:
        return 0.0
    shrink = max(1.0, math.sqrt(size[0] * size[1] / SCORE_PIXELS))
    small = (max(2, round(size[0] / shrink)), max(2, round(size[1] / shrink)))
    scale = math.sqrt(size[0] * size[1] / (small[0] * small[1]))
    return float(flow(scene, times, small).norm(dim=-1).mean()) * scale


def controls(scene: Scene, times: Tensor, size: tuple[int, int]) -> str:
    """The control suffixes of a caption, e.g. "motion score: 3. camera motion: pan left."."""
    score = round(motion_score(scene, times, size))
    return f"motion score: {score}. camera motion: {scene.camera.move}."


def _surfaces(set_up: Stage) -> tuple[Tensor, Tensor]:
    """The nearest surface at each pixel's centre: depth (M, Y, X) and the toy's number, 0: none."""
    rows, cols = set_up.size
    device = set_up.lens.origin.device
    frames = torch.arange(len(set_up.scene))
    nearest = torch.empty(len(frames), rows, cols, device=device)
    for frame in torch.split(frames, max(1, CPU_RAYS // (rows * cols))):
        corner = torch.zeros_like(frame)
        lens = set_up.lens.at(frame.to(device))
        rays = grid(Window(corner, corner, rows, cols), lens, set_up.size, 1)
        _, _, away, below = floor_points(rays.directions(lens.axes), lens.origin)
        nearest[frame.to(device)] = torch.where(below > 0, away, math.inf)[:, 0]
    ids = torch.zeros(len(frames), rows, cols, dtype=torch.uint8, device=device)
    for index in batches(set_up.cast.box, set_up.cast.shape, CPU_RAYS):
        cast = set_up.cast.at(index)
        place = window(cast.box, set_up.size)
        lens = set_up.lens.at(cast.frame.to(device))
        hit, _ = trace(grid(place, lens, set_up.size, 1), lens, cast)
        reached = torch.where(hit.cover > 0, hit.time, math.inf)[:, 0]
        for row, frame_number in enumerate(cast.frame.tolist()):
            top, left = int(place.top[row]), int(place.left[row])
            cut = (frame_number, slice(top, top + place.rows), slice(left, left + place.cols))
            closer = reached[row] < nearest[cut]
            nearest[cut] = torch.where(closer, reached[row], nearest[cut])
            ids[cut].masked_fill_(closer, int(cast.toy[row]))
    return nearest, ids


def _pixels(size: tuple[int, int]) -> Tensor:
    """The centres (Y, X, 2) of all pixels, x and y."""
    y, x = (torch.arange(count, dtype=torch.float64) + 0.5 for count in size)
    down, right = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([right, down], dim=-1)


def _directions(seen: View, pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """World directions (T, Y, X, 3), of depth 1, through pixels (Y, X, 2)."""
    middle = pixels.new_tensor([size[1] / 2, size[0] / 2])
    plane = (pixels - middle) / (seen.focal * math.sqrt(size[0] * size[1]))[:, None, None, None]
    local = torch.cat([plane, torch.ones_like(plane[..., :1])], dim=-1)
    return local @ seen.axes[:, None]
