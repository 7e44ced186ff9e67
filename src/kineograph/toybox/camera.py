"""Where the camera is at each moment, and how it projects.

Shapes: T moments. The camera's own axes are those of OpenCV: x right, y down, z forward; depth is
measured along z.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kineograph.toybox.scene import Camera


@dataclass(frozen=True, eq=False)
class View:
    """A pinhole camera over time, float64, on the CPU.

    origin: (T, 3), in the world. axes: (T, 3, 3), rows right, down, forward. focal: (T,), in units
    of sqrt(width x height).
    """

    origin: Tensor
    axes: Tensor
    focal: Tensor

    def world_to_camera(self) -> Tensor:
        """Rigid matrices (T, 4, 4) from world to camera coordinates."""
        matrix = torch.eye(4, dtype=self.axes.dtype).repeat(len(self.axes), 1, 1)
        matrix[:, :3, :3] = self.axes
        matrix[:, :3, 3] = -(self.axes @ self.origin[:, :, None])[:, :, 0]
        return matrix

    def intrinsics(self, size: tuple[int, int]) -> Tensor:
        """Matrices (T, 3, 3) to pixels of a (Y, X) picture; pixel (0, 0)'s centre is (0.5, 0.5)."""
        rows, cols = size
        matrix = torch.zeros(len(self.focal), 3, 3, dtype=self.focal.dtype)
        matrix[:, 0, 0] = matrix[:, 1, 1] = self.focal * math.sqrt(rows * cols)
        matrix[:, 0, 2], matrix[:, 1, 2], matrix[:, 2, 2] = cols / 2, rows / 2, 1
        return matrix

    def project(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        """World points (T, ..., 3) as (x, y, depth): pixels of a (Y, X) picture, and metres."""
        lead = (len(self.focal),) + (1,) * (points.ndim - 2)
        offset = points - self.origin.reshape(*lead, 3)
        local = torch.einsum("tij,t...j->t...i", self.axes, offset)
        scale = (self.focal * math.sqrt(size[0] * size[1])).reshape(lead)
        depth = local[..., 2]
        x = scale * local[..., 0] / depth + size[1] / 2
        y = scale * local[..., 1] / depth + size[0] / 2
        return torch.stack([x, y, depth], dim=-1)


def view(camera: Camera, times: Tensor, seconds: float) -> View:
    """The camera at `times` (T,) seconds; a move lasts `seconds` and then rests.

    Pans and tilts turn the camera in place, from half the angle on one side to half on the other;
    a circle moves it around the vertical through the world's origin.
    """
    part = (times.to(torch.float64).cpu() / seconds).clamp(0, 1)
    across = (part - 0.5) * camera.amount
    rest = torch.zeros_like(part)
    azimuth = across if camera.move == "circle" else rest
    turn = {"pan left": across, "pan right": -across}.get(camera.move, rest)
    nod = {"tilt up": across, "tilt down": -across}.get(camera.move, rest)
    factor = {"zoom in": part, "zoom out": 1 - part}.get(camera.move, rest)
    focal = camera.focal * camera.amount**factor if "zoom" in camera.move else rest + camera.focal
    origin = torch.stack(
        [
            camera.distance * torch.sin(azimuth),
            rest + camera.height,
            camera.distance * torch.cos(azimuth),
        ],
        dim=-1,
    )
    pitch = nod - math.atan2(camera.height - camera.aim, camera.distance)
    return View(origin, _axes(azimuth + turn, pitch), focal)


def _axes(yaw: Tensor, pitch: Tensor) -> Tensor:
    """Rows right, down, forward (T, 3, 3); yaw 0 looks to -z, positive turns left, pitch up."""
    cy, sy, cp, sp = torch.cos(yaw), torch.sin(yaw), torch.cos(pitch), torch.sin(pitch)
    rest = torch.zeros_like(yaw)
    rows = [cy, rest, -sy, -sy * sp, -cp, -cy * sp, -sy * cp, sp, -cy * cp]
    return torch.stack([row + rest for row in rows], dim=-1).reshape(-1, 3, 3)
