"""Cleaning of captions in the manner of DeepFloyd-IF and PixArt, as Open-Sora 1.x does it.

Captions that were found on the web carry links, file names, product codes and markup. What
remains is a lower-case sentence. The rules run in a fixed order, because each one sees what
the ones before it left; prompts are cleaned twice, because a second pass may find more.
"""

import html
import re
from dataclasses import dataclass
from functools import cache
from html.entities import html5
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import unquote_plus

from kineograph.errors import ConfigError

Rule = tuple[str, str]
"""What is searched, and what takes its place."""

_ENDINGS = "[.](?:com|co|ru|net|org|edu|gov|it)"
_DOMAIN = rf"|[a-zA-Z0-9.\-]+{_ENDINGS}[\w/-]*\b/?(?!@)"
_FILES = r"(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)"

NAMES: tuple[Rule, ...] = ((r"@\w+", ""),)
CHINESE: tuple[Rule, ...] = (("[\u31c0-\u9fff]+", ""),)  # strokes to ideographs; kana stay
MARKS: tuple[Rule, ...] = (
    (  # every kind of dash
        "[-\u058a\u05be\u1400\u1806\u2010-\u2015\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u301c\u3030\u30a0"
        "\ufe31\ufe32\ufe58\ufe63\uff0d]+",
        "-",
    ),
    ("[`\u00b4\u00ab\u00bb\u201c\u201d\u00a8]", '"'),
    ("[\u2018\u2019]", "'"),
    ("&quot;?", ""),
    ("&amp", ""),
    (r"\d{1,3}(?:\.\d{1,3}){3}", " "),  # network addresses
    (r"\d:\d\d\s+$", ""),  # a time of day at the end
    (r"\\n", " "),  # a line break that was written out
    (r"#\d{1,3}\b", ""),
    (r"#\d{5,}\b", ""),
    (r"\b\d{6,}\b", ""),
    (rf"(?<!\S)\S+\.{_FILES}", ""),
    (r"[\"']{2,}", '"'),
    (r"\.{2,}", " "),
    (
        "[#\u00ae\u2022\u00a9\u2122&@\u00b7\u00ba\u00bd\u00be\u00bf\u00a1\u00a7~)(\\]\\[}{|\\\\/*]+",
        " ",
    ),
    (r"\s+\.\s+", " "),
)
CODES: tuple[Rule, ...] = (
    (r"\b[a-zA-Z]{1,3}\d{3,15}\b", ""),
    (r"\b[a-zA-Z]+\d+[a-zA-Z]+\b", ""),
    (r"\b\d+[a-zA-Z]+\d+\b", ""),
    (r"(?:worldwide\s+)?(?:free\s+)?shipping", ""),
    (r"(?:free\s)?download(?:\sfree)?", ""),
    (r"\bclick\b\s(?:for|on)\s\w+", ""),
    (rf"\b{_FILES}(?:\simages?)?", ""),
    (r"\bpage\s+\d+\b", ""),
    (r"\b\d*[a-zA-Z]+\d+[a-zA-Z]+\d+[a-zA-Z\d]*\b", " "),
    ("\\b\\d+\\.?\\d*[x\u0445\u00d7]\\d+\\.?\\d*\\b", ""),  # 1920x1080; the second x is Cyrillic
    (r"\b\s+:\s+", ": "),
    (r"(\D[,./])\b", r"\1 "),
    (r"\s+", " "),
    (r"^[\"']([\w\W]+)[\"']$", r"\1"),  # a caption that is quoted as a whole
    (r"^['_,\-:;]", ""),
    (r"['_,\-:+]$", ""),
    (r"^\.\S+$", ""),
)
MANY = 3  # more hyphens and underscores than this join words of a file name


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """How captions are cleaned.

    passes: how often all rules run; chinese: whether Chinese, which mT5 reads, stays
    (Open-Sora Plan keeps it, Open-Sora 1.x does not).
    """

    kind: Literal["cleaning"] = "cleaning"
    passes: int = 2
    chinese: bool = False

    def __call__(self, caption: str) -> str:
        """The cleaned caption.

        Raises:
            ConfigError: the caption has characters that need the package ftfy, which is absent.
        """
        rules = (*NAMES, *MARKS) if self.chinese else (*NAMES, *CHINESE, *MARKS)
        for _ in range(self.passes):
            caption = _pass(caption, rules)
        return caption


@dataclass(frozen=True, kw_only=True)
class Lowering:
    """Lower case without spaces around it, nothing else."""

    kind: Literal["lowering"] = "lowering"

    def __call__(self, caption: str) -> str:
        """The caption in lower case."""
        return caption.lower().strip()


def without_markup(text: str) -> str:
    """The text of a piece of HTML: no tags and comments, entities as characters."""
    if "<" not in text and "&" not in text:
        return text
    reader = _Markup()
    try:
        reader.feed(text)
        reader.close()
    except AssertionError:  # what the parser raises where it cannot go on
        return text
    return "".join(reader.pieces)


def mended(text: str) -> str:
    """Characters that were decoded wrongly, full-width letters and the like put right (ftfy).

    Raises:
        ConfigError: the package is absent, and the text is more than plain printable ASCII.
    """
    if text.isascii() and text.isprintable():
        return text  # nothing there that could be wrong
    try:
        from ftfy import fix_text
    except ImportError:
        shown = "".join(dict.fromkeys(c for c in text if not (c.isascii() and c.isprintable())))
        raise ConfigError(
            f"cleaning a caption with {shown[:12]!r} needs the package ftfy; "
            "install kineograph[models]"
        ) from None
    fixed: str = fix_text(text)
    return fixed


def _pass(caption: str, rules: tuple[Rule, ...]) -> str:
    caption = unquote_plus(caption).strip().lower()
    caption = _without_links(caption.replace("<person>", "person"))
    caption = _apply(rules, without_markup(caption))
    joints = re.findall("[-_]", caption)
    if len(joints) > MANY:
        caption = re.sub("[-_]", " ", caption)
    caption = html.unescape(html.unescape(mended(caption))).strip()
    return _apply(CODES, caption).strip()


def _without_links(text: str) -> str:
    """No addresses; the search for bare domains takes long in long words, so it is not idle."""
    for scheme in ("https?", "www"):
        domain = _DOMAIN if _compiled(_ENDINGS).search(text) else ""
        text = _compiled(rf"\b(?:{scheme}:(?:/{{1,3}}|[a-zA-Z0-9%]){domain})").sub("", text)
    return text


def _apply(rules: tuple[Rule, ...], text: str) -> str:
    for pattern, replacement in rules:
        text = _compiled(pattern).sub(replacement, text)
    return text


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


class _Markup(HTMLParser):
    """Collects the text that a reader of a page would see."""

    HIDDEN = frozenset({"script", "style", "template", "rt", "rp"})
    # fmt: off
    EMPTY = frozenset({
        "area", "base", "basefont", "bgsound", "br", "col", "command", "embed", "frame", "hr",
        "image", "img", "input", "isindex", "keygen", "link", "menuitem", "meta", "nextid",
        "param", "source", "spacer", "track", "wbr",
    })
    # fmt: on

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.pieces: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self.HIDDEN & set(self.open):
            self.pieces.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(html5.get(f"{name};", f"&{name}"))

    def handle_charref(self, name: str) -> None:
        number = re.match("x[0-9a-f]+|X[0-9a-f]+|[0-9]+", name)
        known = number.group() if number else ""
        self.handle_data((html.unescape(f"&#{known};") if known else "") + name[len(known) :])

    def unknown_decl(self, data: str) -> None:
        if data.upper().startswith("CDATA["):
            self.pieces.append(data[len("CDATA[") :])  # seen wherever it stands
