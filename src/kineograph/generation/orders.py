"""Many videos at once: what is to be made, in which batches, and a ledger of what was made."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

from kineograph.errors import DataError
from kineograph.generation.sources import digest
from kineograph.generation.wishes import Wish


@dataclass(frozen=True)
class Order:
    """A wish with its own seed, and where its video goes."""

    wish: Wish
    seed: int
    out: Path

    @property
    def common(self) -> Wish:
        """What orders that are denoised together must agree on."""
        return replace(self.wish, prompt="", seed=None, out=None)

    def key(self, about: str) -> str:
        """A short name of everything that decides about the video.

        Args:
            about: weights and settings that are the same for all orders.

        Raises:
            MediaError: a picture or a video cannot be read.
        """
        files = {role: digest(path) for role, path in self.wish.files().items()}
        wish = replace(self.wish, image=None, last_image=None, video=None, signal=None, at=())
        plain = {name: str(value) for name, value in asdict(wish).items()}
        data = json.dumps([plain, self.seed, self.out.name, files, about], sort_keys=True)
        return hashlib.sha256(data.encode()).hexdigest()[:16]


def orders(wishes: Sequence[Wish], out: Path, count: int, seed: int) -> tuple[Order, ...]:
    """Every video that is to be made.

    Args:
        wishes: what is asked for.
        out: the name of a single video; several are numbered. Names of wishes are relative to its
            folder.
        count: videos of each wish, seeds counting up.
        seed: of the first video; a wish without a seed of its own has this plus its place.

    Raises:
        DataError: two videos would go to the same file.
    """
    every = [(wish, number) for wish in wishes for number in range(count)]
    names = numbered(out, len(every))
    found = []
    for place, (wish, number) in enumerate(every):
        name = names[place]
        if wish.out is not None:
            name = numbered(out.parent / wish.out, count)[number]
        own = seed + place if wish.seed is None else wish.seed + number
        found.append(Order(wish, own, name))
    paths = [order.out for order in found]
    twice = sorted({str(path) for path in paths if paths.count(path) > 1})
    if twice:
        raise DataError(f"out {twice[0]}: named for several videos; expected different names")
    return tuple(found)


def numbered(out: Path, count: int) -> list[Path]:
    """Names for `count` videos: the given one, or `out-00.mp4`, `out-01.mp4`, ..."""
    if count == 1:
        return [out]
    digits = len(str(count - 1))
    return [out.with_name(f"{out.stem}-{index:0{digits}d}{out.suffix}") for index in range(count)]


def batches(every: Sequence[Order], size: int) -> Iterator[tuple[Order, ...]]:
    """Neighbours that differ in prompt and seed only, at most `size` of them at once."""
    for _, group in groupby(every, key=lambda order: order.common):
        alike = list(group)
        for first in range(0, len(alike), size):
            yield tuple(alike[first : first + size])


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the ledger: a video that was made, or why it was not."""

    out: str
    key: str
    prompt: str
    seed: int
    seconds: float
    error: str = ""


class Ledger:
    """A file of JSON lines beside the videos; a later line replaces an earlier one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        if not path.exists():
            return
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = Entry(**json.loads(line))
            except (ValueError, TypeError):
                continue  # cut off when an earlier run was killed: its video is made again
            self.entries[entry.out] = entry

    def done(self, order: Order, key: str) -> bool:
        """Whether a video lies there that was made from exactly this."""
        entry = self.entries.get(str(order.out))
        made = entry is not None and entry.key == key and not entry.error
        return made and order.out.exists()

    def write(self, entry: Entry) -> None:
        """Add a line, on the disk at once."""
        self.entries[entry.out] = entry
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = not self.path.exists() or self.path.read_bytes()[-1:] in (b"", b"\n")
        with self.path.open("a", encoding="utf-8") as file:
            line = json.dumps(asdict(entry), ensure_ascii=False) + "\n"
            file.write(line if whole else "\n" + line)
