"""What a score card is drawn with: colours, words, bars with their intervals.

Lengths are pixels of the card.
"""

from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from kineograph.evaluation.score import Score

INK, SOFT, LINE, PAPER, EMPTY = "#1f2430", "#6b7280", "#d7dae0", "#ffffff", "#eef0f4"
SEEN, HELD_OUT, RIGHT, WRONG = "#8fa3bf", "#2f6fdd", "#1d7f4e", "#c8322b"


@dataclass(frozen=True, eq=False)
class Pen:
    """Draws on a picture."""

    image: Image.Image

    @property
    def lines(self) -> ImageDraw.ImageDraw:
        """For lines and rectangles."""
        return ImageDraw.Draw(self.image)

    def write(self, place: tuple[int, int], text: str, size: int, colour: str = INK) -> int:
        """Text from its left top; returns where it ends."""
        self.lines.text(place, text, colour, _font(size))
        return place[0] + length(text, size)

    def write_to(self, place: tuple[int, int], text: str, size: int, colour: str = INK) -> None:
        """Text up to its right top."""
        self.write((place[0] - length(text, size), place[1]), text, size, colour)

    def rule(self, left: int, right: int, y: int, width: int = 1) -> None:
        """A thin line."""
        self.lines.line((left, y, right, y), LINE, width)

    def square(self, place: tuple[int, int], colour: str) -> None:
        """A small square, of a legend."""
        x, y = place
        self.lines.rectangle((x, y, x + 12, y + 12), colour)

    def bar(self, box: tuple[int, int, int, int], score: Score, colour: str) -> None:
        """A share of a whole bar, and its interval as a line."""
        left, top, right, bottom = box
        whole, lines = right - left, self.lines
        lines.rectangle(box, EMPTY)
        if score.value > 0:
            lines.rectangle((left, top, left + round(whole * score.value), bottom), colour)
        if score.low is None or score.high is None:
            return
        low, high = (left + round(whole * bound) for bound in (score.low, score.high))
        middle = (top + bottom) // 2
        lines.line((low, middle, high, middle), INK, 1)
        for end in (low, high):
            lines.line((end, middle - 3, end, middle + 3), INK, 1)


def length(text: str, size: int) -> int:
    """How wide a text is."""
    return round(_font(size).getlength(text))


def cut(text: str, width: int, size: int) -> str:
    """A text that is at most so wide."""
    if length(text, size) <= width:
        return text
    while text and length(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text}…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
