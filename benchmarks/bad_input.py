"""What damaged videos do to `reconstruct`, `data check` and `cache`: one outcome each, no more.

    python benchmarks/bad_input.py CLIP CLIP [--count 300] [--limit 20] [--report FILE] [--coded]

Makes so many damaged or odd files out of two clips, always the same ones, sends all of them
through the three, and counts outcomes. Exit code 1 if one has no outcome, or one crashed.
`reconstruct` leaves its autoencoder out, which sees frames and no files, unless `--coded`.
"""

import argparse
import os
import platform
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

SEED = 20261121
NAMES = (
    "it's.mp4", 'say "cheese".mp4', "two\nlines.mp4", "-rf.mp4", "--help.mp4", "a b  c.mp4",
    "$(touch x).mp4", "*.mp4", "a:b.mp4", "http:x.mp4", "%d.mp4", "видео.mp4", "動画.mp4",
    "\u202e4pm.mp4", "e\u0301.mp4", "tab\there.mp4", "\x1b[31mred.mp4", ";ls.mp4", "a.MP4",
    ".mp4.mp4", "x" * 200 + ".mp4", "concat:a|b.mp4", "\N{GRINNING FACE}.mp4", "a\\b.mp4", "~.mp4",
)  # fmt: skip


@dataclass(frozen=True)
class Spoilt:
    """A file that was made: how, and under which name it lies."""

    kind: str
    path: Path


def truncated(data: bytes, draw: random.Random) -> bytes:
    """The end is missing."""
    return data[: draw.randrange(1, len(data))]


def flipped(data: bytes, draw: random.Random) -> bytes:
    """Some bytes anywhere are others."""
    spoilt = bytearray(data)
    for _ in range(draw.choice([1, 10, 100, 1000])):
        spoilt[draw.randrange(len(spoilt))] = draw.randrange(256)
    return bytes(spoilt)


def lied(data: bytes, draw: random.Random) -> bytes:
    """A number in a header of an MP4 file (sizes, times, tables) is another, often a huge one."""
    boxes = [
        b"mvhd",
        b"tkhd",
        b"mdhd",
        b"stts",
        b"stsz",
        b"stco",
        b"stsc",
        b"avc1",
        b"ctts",
        b"ftyp",
    ]
    places = [data.find(name) for name in boxes if name in data] or [0]
    spoilt = bytearray(data)
    for _ in range(draw.randrange(1, 4)):
        at = draw.choice(places) + draw.randrange(-4, 60)
        value = draw.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, draw.randrange(2**32)])
        at = max(0, min(len(spoilt) - 4, at))
        spoilt[at : at + 4] = struct.pack(">I", value)
    return bytes(spoilt)


def holed(data: bytes, draw: random.Random) -> bytes:
    """A piece is zero, as after a download that was broken off."""
    first = draw.randrange(len(data))
    last = min(len(data), first + draw.randrange(1, len(data)))
    return data[:first] + bytes(last - first) + data[last:]


def shuffled(data: bytes, draw: random.Random) -> bytes:
    """Pieces lie in another order."""
    step = max(1, len(data) // 8)
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    draw.shuffle(pieces)
    return b"".join(pieces)


BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "truncated": truncated,
    "bytes flipped": flipped,
    "header lied": lied,
    "piece zeroed": holed,
    "pieces shuffled": shuffled,
}
OTHERS = ("zero length", "wrong extension", "rubbish", "folder", "link", "odd name")


def make(kind: str, number: int, clip: Path, folder: Path) -> Spoilt:
    """Make one file, the same one for the same number.

    Args:
        kind: one of `BYTES` or `OTHERS`.
        number: decides what is drawn.
        clip: what it is made from.
        folder: where; each file has a folder of its own, so that names may be anything.
    """
    draw = random.Random(f"{SEED} {number}")
    here = folder / f"{number:03d}"
    here.mkdir(parents=True)
    path, data = here / f"clip{clip.suffix}", clip.read_bytes()
    if kind in BYTES:
        path.write_bytes(BYTES[kind](data, draw))
    elif kind == "zero length":
        path.touch()
    elif kind == "wrong extension":
        path = here / draw.choice(["clip.avi", "clip.webm", "clip.gif", "clip.mkv", "clip.wmv"])
        path.write_bytes(data)
    elif kind == "rubbish":
        text = ["ffconcat version 1.0\nfile 'x.mp4'\n", "#EXTM3U\nhttp://x/\n", "<html>", "words\n"]
        path.write_bytes(draw.choice([draw.randbytes(5000), draw.choice(text).encode()]))
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        target = draw.choice([clip.resolve(), here / "nothing.mp4", path, here, Path(os.devnull)])
        path.symlink_to(target)
    else:
        path = here / NAMES[number % len(NAMES)]
        path.write_bytes(data)
    return Spoilt(kind, path)


def make_all(clips: Sequence[Path], count: int, folder: Path) -> list[Spoilt]:
    """So many files: two of three have damaged bytes, the others are odd in other ways."""
    kinds = [*BYTES, *BYTES, *OTHERS]
    return [
        make(kinds[number % len(kinds)], number, clips[number % len(clips)], folder)
        for number in range(count)
    ]


def write_list(spoilt: Sequence[Spoilt], path: Path) -> Path:
    """A list of the files for `data check` and `cache`; names with line breaks go along."""
    import json

    rows = [{"file_name": str(one.path), "text": one.kind} for one in spoilt]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


PLAIN = (
    "from kineograph.cli import reconstruct; "
    "reconstruct.Coder.through = lambda self, frames: frames; "
)
RUN = "from kineograph.cli.app import main; main()"


def reconstruct(spoilt: Sequence[Spoilt], folder: Path, limit: float, coded: bool) -> list[str]:
    """One outcome for each file: `done`, or the beginning of what `reconstruct` said."""
    out = folder / "reconstructed"
    command = [sys.executable, "-c", RUN if coded else PLAIN + RUN, "reconstruct"]
    command += ["--frames", "8", "--limit", str(limit), "--out", str(out), "--"]
    found = []
    for first in range(0, len(spoilt), 100):
        some = spoilt[first : first + 100]
        paths = [str(one.path) for one in some]
        done = subprocess.run([*command, *paths], capture_output=True, text=True)
        if done.returncode not in (0, 1):
            found += [f"CRASH: exit code {done.returncode}: {done.stderr[-200:]}"] * len(some)
            continue
        for path in paths:
            if done.stdout.count(f"{path}: "):
                found.append("done")
                continue
            place = done.stderr.find(f"kineograph: {path}: ")
            words = done.stderr[place + len(f"kineograph: {path}: ") :].split("\n")[0]
            found.append(words if place >= 0 else "NO OUTCOME")
    return found


def check(listing: Path, limit: float) -> list[str]:
    """One outcome for each row of the list."""
    from kineograph.data.check import check as findings
    from kineograph.data.layouts.table import read
    from kineograph.media.workers import Limits

    return [
        "done" if one.clip is not None else one.remarks[0].what
        for one in findings(read(listing), Limits(seconds=limit))
    ]


def cache(listing: Path, folder: Path, limit: float) -> list[str]:
    """One outcome for each row of the list; clips are encoded by the shipped autoencoder."""
    from kineograph import recipes
    from kineograph.data.layouts.table import read
    from kineograph.data.reading import Encoding, Reader
    from kineograph.media.workers import Limits
    from kineograph.training.clip_cache import Coding, rows
    from kineograph.training.weights import digest, load_autoencoder

    weights = recipes.weights("toybox")
    encoding = Encoding(frames=5, size=64, fps=8.0, autoencoder=digest(weights, "autoencoder"))
    reader = Reader(encoding=encoding, folder=folder / "cache")
    found = rows(read(listing), Coding(load_autoencoder(weights)), reader, Limits(seconds=limit))
    return ["done" if one.record is not None else one.reason for one in found]


def table(spoilt: Sequence[Spoilt], outcomes: dict[str, list[str]]) -> list[str]:
    """How many files of each kind were read by each of the three, as Markdown."""
    lines = ["| damage | files | " + " | ".join(f"{name}: read" for name in outcomes) + " |"]
    lines.append("|---" * (2 + len(outcomes)) + "|")
    for kind in (*BYTES, *OTHERS):
        rows = [index for index, one in enumerate(spoilt) if one.kind == kind]
        read = [str(sum(found[i] == "done" for i in rows)) for found in outcomes.values()]
        lines.append(f"| {kind} | {len(rows)} | " + " | ".join(read) + " |")
    return lines


def reasons(found: Sequence[str]) -> list[str]:
    """Why files were refused, most frequent first; paths and numbers are left out."""
    plain = Counter(one.split(" (")[0].split(": /")[0] for one in found if one != "done")
    return [f"- {count} x {reason[:140]}" for reason, count in plain.most_common(12)]


def names(clips: Sequence[Path]) -> str:
    """The clips' names, as code."""
    return ", ".join(f"`{clip.name}`" for clip in clips)


def main() -> int:
    """Run everything, print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--limit", type=float, default=20.0)
    parser.add_argument("--coded", action="store_true")
    parser.add_argument("--report", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spoilt = make_all(asked.clips, asked.count, folder / "files")
        listing = write_list(spoilt, folder / "metadata.jsonl")
        outcomes, spent = {}, {}
        for job, work in {
            "reconstruct": lambda: reconstruct(spoilt, folder, asked.limit, asked.coded),
            "data check": lambda: check(listing, asked.limit),
            "cache": lambda: cache(listing, folder, asked.limit),
        }.items():
            begun = time.perf_counter()
            outcomes[job] = work()
            spent[job] = time.perf_counter() - begun
            print(f"{job}: {spent[job]:.0f} s", file=sys.stderr, flush=True)
    missing = {job: len(spoilt) - len(found) for job, found in outcomes.items()}
    crashed = {
        job: sum(w.startswith(("CRASH", "NO OUT")) for w in f) for job, f in outcomes.items()
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    lines = [
        f"# Damaged videos, {date.today()}",
        "",
        f"{len(spoilt)} files from seed {SEED}, made of {names(asked.clips)}; limit of one clip "
        f"{asked.limit:g} s; Python {platform.python_version()}, {os.cpu_count()} cores.",
        "",
        *table(spoilt, outcomes),
        "",
        f"Without an outcome: {sum(missing.values())}. Crashes: {sum(crashed.values())}. "
        f"Most memory: {peak:.0f} MiB here, {workers:.0f} MiB in a process started here.",
    ]
    for job, found in outcomes.items():
        late = sum("took more than" in one for one in found)
        died = sum("died" in one for one in found)
        lines += ["", f"## {job}: {spent[job]:.0f} s, {late} stopped at the limit, {died} died", ""]
        lines += reasons(found)
    text = "\n".join(lines) + "\n"
    print(text)
    if asked.report is not None:
        asked.report.write_text(text, encoding="utf-8")
    return 1 if any(missing.values()) or any(crashed.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
