"""Tasks: what is given in pixels. Nothing is given for text-to-video."""

import torch
from torch import Tensor

from kineograph.types import Given


def image_to_video(image: Tensor, frames: int) -> Given:
    """The first frame is given, the rest is free.

    Args:
        image: (B, 3, 1, Y, X) in [-1, 1].
        frames: T, the length of the video.

    Returns:
        frames (B, 3, T, Y, X), the image in each, and strength 1 for the first one only.
    """
    samples, _, _, height, width = image.shape
    strength = torch.zeros(samples, 1, frames, height, width, device=image.device)
    strength[:, :, 0] = 1.0
    return Given(image.expand(-1, -1, frames, -1, -1), strength)
