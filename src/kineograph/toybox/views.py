"""The same moment of a scene from several view points.

Shapes: V views of Y x X pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kineograph.toybox.camera import View, view
from kineograph.toybox.render import render_from
from kineograph.toybox.scene import Camera, Scene


@dataclass(frozen=True, eq=False)
class MultiView:
    """One moment seen V times: pictures, masks and cameras.

    video: (V, Y, X, 3) uint8. masks: (V, Y, X) uint8, as in `Rendered`. cameras: V view points.
    """

    video: Tensor
    masks: Tensor
    cameras: View


def orbit(camera: Camera, azimuths: Sequence[float], seconds: float) -> View:
    """A resting camera moved around the world's vertical to each of V azimuths, in radians."""
    front = view(replace(camera, move="static", amount=0.0), torch.zeros(1), seconds)
    angle = torch.tensor(list(azimuths), dtype=torch.float64)
    c, s, o = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    back = torch.stack([c, o, -s, o, o + 1, o, s, o, c], dim=-1).reshape(-1, 3, 3)
    return View((front.origin @ back)[:, 0], front.axes @ back, front.focal.expand(len(angle)))


def views(
    scene: Scene,
    moment: float,
    azimuths: Sequence[float],
    size: tuple[int, int],
    *,
    supersample: int = 2,
) -> MultiView:
    """The moment (seconds) of a scene, seen from V azimuths in radians; 0 is from the front.

    Where the scene's own camera moves, the views are around its place without the move.
    """
    cameras = orbit(scene.camera, azimuths, scene.seconds)
    times = torch.full((len(azimuths),), moment, dtype=torch.float64)
    drawn = render_from([scene], [cameras], times, size, supersample=supersample)
    return MultiView(drawn.video[0], drawn.masks[0], cameras)
