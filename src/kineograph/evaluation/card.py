"""The score card: one picture that says how good a model is, with clips as they came.

Lengths are pixels of the card.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from kineograph.evaluation.adherence import ALL, Outcome
from kineograph.evaluation.kept import MOMENTS, Kept
from kineograph.evaluation.reader import ATTRIBUTES
from kineograph.evaluation.report import TEXT, Report
from kineograph.evaluation.share import Share
from kineograph.media.encode import write_image
from kineograph.media.resize import fit

WIDTH, EDGE = 1240, 40
COLUMN = (WIDTH - 3 * EDGE) // 2
INK, SOFT, LINE, PAPER = "#1f2430", "#6b7280", "#d7dae0", "#ffffff"
SEEN, HELD_OUT, RIGHT, WRONG = "#8fa3bf", "#2f6fdd", "#1d7f4e", "#c8322b"
BARS_TOP, BAR_ROW = 148, 46
CLIPS_TOP = 420
CLIPS = 12
GAP = 4
SIDE = (COLUMN - GAP * (len(MOMENTS) - 1)) // len(MOMENTS)
CLIP_ROW = SIDE + 66


def write(report: Report, folder: Path) -> Path:
    """Draw `card.png`, with the first clips that an evaluation kept in the folder; its path."""
    kept = Kept(folder / TEXT, Outcome)
    shown = report.text[:CLIPS]
    frames = [kept.frames(index) for index in range(len(shown))]
    path = folder / "card.png"
    write_image(path, draw(report, frames))
    return path


def draw(report: Report, clips: Sequence[Tensor]) -> Tensor:
    """The card as a picture (Y, X, 3) uint8.

    Args:
        report: what was found.
        clips: frames (5, Y, X, 3) uint8 of the first prompts, in their order.
    """
    height = CLIPS_TOP + CLIP_ROW * ((len(clips) + 1) // 2) + EDGE // 2
    image = Image.new("RGB", (WIDTH, height), PAPER)
    pen = ImageDraw.Draw(image)
    _title(pen, report)
    _bars(pen, report)
    _checks(pen, report)
    for place, (outcome, frames) in enumerate(zip(report.text, clips, strict=False)):
        left = EDGE + (place % 2) * (COLUMN + EDGE)
        _clip(image, (left, CLIPS_TOP + (place // 2) * CLIP_ROW), outcome, frames)
    return torch.from_numpy(np.array(image))


def _title(pen: ImageDraw.ImageDraw, report: Report) -> None:
    _write(pen, (EDGE, 30), f"Score card: {report.model}", INK, 34)
    about = (
        f"{len(report.text)} fixed prompts of toybox level {report.level}: does the video show "
        f"what the sentence says?   weights {report.digest}"
    )
    _write(pen, (EDGE, 78), about, SOFT, 17)
    pen.line((EDGE, 112, WIDTH - EDGE, 112), LINE, 2)


def _bars(pen: ImageDraw.ImageDraw, report: Report) -> None:
    """A row for each attribute: shares of seen and held-out combinations, and intervals."""
    groups = report.adherence()
    left, right = EDGE + 90, EDGE + COLUMN - 110
    for row, (name, title) in enumerate([*((n, n) for n in ATTRIBUTES), (ALL, "all")]):
        top = BARS_TOP + row * BAR_ROW
        _write(pen, (EDGE, top + 8), title, INK, 19)
        for number, (group, colour) in enumerate((("seen", SEEN), ("held-out", HELD_OUT))):
            share, y = groups[group][name], top + 18 * number
            _bar(pen, (left, y, right, y + 15), share, colour)
            _write(pen, (right + 12, y - 3), f"{100 * share.value:.0f} %", INK, 16)
            _write(pen, (right + 64, y - 2), f"{share.right}/{share.total}", SOFT, 14)
    y = BARS_TOP + 5 * BAR_ROW + 4
    pen.rectangle((left, y + 4, left + 14, y + 16), SEEN)
    _write(pen, (left + 20, y), "seen in training", SOFT, 15)
    pen.rectangle((left + 150, y + 4, left + 164, y + 16), HELD_OUT)
    _write(pen, (left + 170, y), "never seen together", SOFT, 15)
    _write(pen, (left + 330, y), "line: 95 %", SOFT, 15)


def _bar(
    pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], share: Share, colour: str
) -> None:
    left, top, right, bottom = box
    length = right - left
    pen.rectangle(box, "#eef0f4")
    if share.right:
        pen.rectangle((left, top, left + round(length * share.value), bottom), colour)
    low, high = (left + round(length * bound) for bound in share.interval)
    middle = (top + bottom) // 2
    pen.line((low, middle, high, middle), INK, 1)
    for end in (low, high):
        pen.line((end, middle - 3, end, middle + 3), INK, 1)


def _checks(pen: ImageDraw.ImageDraw, report: Report) -> None:
    """The other two checks, in words."""
    motion, first = report.image_to_video()
    read_back, everywhere, on_object = report.autoencoder()
    left, top = 2 * EDGE + COLUMN, BARS_TOP
    rows = (
        ("A given picture begins to move as asked", f"{motion.right} of {motion.total}"),
        ("Its first frame, compared with the picture", f"{first:.1f} dB"),
        ("Autoencoder, whole picture", f"{everywhere:.1f} dB"),
        ("Autoencoder, on the object", f"{on_object:.1f} dB"),
        ("Everything read back after the autoencoder", f"{_of(read_back[ALL])}"),
    )
    for row, (what, value) in enumerate(rows):
        y = top + row * BAR_ROW
        _write(pen, (left, y + 6), what, INK, 18)
        width = _font(22).getlength(value)
        _write(pen, (WIDTH - EDGE - round(width), y + 3), value, INK, 22)
        pen.line((left, y + 38, WIDTH - EDGE, y + 38), LINE, 1)
    note = f"The first {min(CLIPS, len(report.text))} prompts below; nothing was picked."
    _write(pen, (left, top + 5 * BAR_ROW + 4), note, SOFT, 15)


def _clip(image: Image.Image, corner: tuple[int, int], outcome: Outcome, frames: Tensor) -> None:
    """The prompt with the colour of its group, five frames, what was read; errors in red."""
    pen = ImageDraw.Draw(image)
    left, top = corner
    pen.rectangle((left, top + 4, left + 11, top + 15), HELD_OUT if outcome.held_out else SEEN)
    _write(pen, (left + 20, top), outcome.text, INK, 16)
    for number, picture in enumerate(fit(frames, SIDE, SIDE)):
        image.paste(Image.fromarray(picture.numpy()), (left + number * (SIDE + GAP), top + 24))
    x = left
    for name in (name for name in ATTRIBUTES if name in outcome.asked):
        good = outcome.right([name])
        said = outcome.read[name] if good else f"{outcome.read[name]}, not {outcome.asked[name]}"
        _write(pen, (x, top + SIDE + 28), f"{name}: {said}", RIGHT if good else WRONG, 15)
        x += round(_font(15).getlength(f"{name}: {said}")) + 18


def _of(share: Share) -> str:
    return f"{share.right} of {share.total}"


def _write(
    pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: str, size: int
) -> None:
    pen.text(place, text, colour, _font(size))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
