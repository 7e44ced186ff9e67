"""Pictures of videos for the eye: sheets of frames, and two videos beside each other."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from kineograph.errors import MediaError
from kineograph.media.resize import fit

_GAP = 4  # pixels between pictures
_BACKGROUND, _INK = 255, (32, 32, 32)


def contact_sheet(
    clips: Sequence[Tensor], labels: Sequence[str] = (), *, columns: int = 6, height: int = 128
) -> Tensor:
    """One row for each clip: evenly spread frames from first to last, under its label.

    Args:
        clips: frames (T, Y, X, 3) uint8 each; sizes may differ.
        labels: one line of text for each clip, or none at all.
        columns: frames in a row; a clip that is shorter leaves the rest of its row empty.
        height: of every frame, in pixels; the width follows from the first clip's shape.

    Returns:
        A picture, (Y, X, 3) uint8.

    Raises:
        MediaError: there is no clip or not one label for each.
    """
    if not clips or len(labels) not in (0, len(clips)):
        raise MediaError(f"{len(clips)} clips, {len(labels)} labels: expected one label per clip")
    width = max(1, round(height * clips[0].shape[2] / clips[0].shape[1]))
    sheet_width = columns * (width + _GAP) + _GAP
    rows = []
    for index, clip in enumerate(clips):
        if labels:
            rows.append(caption(labels[index], sheet_width))
        count = min(columns, len(clip))
        chosen = torch.linspace(0, len(clip) - 1, count).round().long()
        row = torch.full((height + _GAP, sheet_width, 3), _BACKGROUND, dtype=torch.uint8)
        for column, picture in enumerate(fit(clip[chosen], height, width)):
            left = _GAP + column * (width + _GAP)
            row[:height, left : left + width] = picture
        rows.append(row)
    return torch.cat(rows)


def side_by_side(left: Tensor, right: Tensor, labels: tuple[str, str] | None = None) -> Tensor:
    """Two videos next to each other; the shorter one stays on its last frame.

    Args:
        left, right: frames (T, Y, X, 3) uint8; `right` is fitted into the height of `left`.
        labels: what to write above each.

    Returns:
        Frames (T, Y', X', 3) uint8.
    """
    height = left.shape[1]
    width = max(1, round(height * right.shape[2] / right.shape[1]))
    count = max(len(left), len(right))
    gap = left.new_full((count, height, _GAP, 3), _BACKGROUND)
    pair = torch.cat([_lengthen(left, count), gap, _lengthen(fit(right, height, width), count)], 2)
    if labels is not None:
        second = caption(labels[1], pair.shape[2] - left.shape[2])
        band = torch.cat([caption(labels[0], left.shape[2]), second], 1)
        pair = torch.cat([band.expand(count, *band.shape), pair], 1)
    return pair


def caption(text: str, width: int, *, size: int = 14) -> Tensor:
    """One line of text on a white band, (Y, width, 3) uint8; cut where it is too long."""
    font = ImageFont.load_default(size)
    band = Image.new("RGB", (width, size + 8), (_BACKGROUND,) * 3)
    ImageDraw.Draw(band).text((_GAP, 2), _shortened(text, width - 2 * _GAP, font), _INK, font)
    return torch.from_numpy(np.array(band))


def _shortened(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    line = " ".join(text.split())
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "...") > width:
        line = line[:-1]
    return line + "..."


def _lengthen(frames: Tensor, count: int) -> Tensor:
    """Repeat the last frame until there are `count`."""
    missing = count - len(frames)
    return (
        torch.cat([frames, frames[-1:].expand(missing, *frames.shape[1:])]) if missing else frames
    )
