"""Checking clips: every one is decoded from its first frame to its last, in a worker.

Each row of a dataset gives one finding: fine, fine with remarks, or refused with a reason and
what would mend it. What a list claims is replaced by what decoding showed.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from kineograph.data.clip import MEASURED, Clip, Facts, Span
from kineograph.data.layouts.lines import Found
from kineograph.data.layouts.rows import Problem
from kineograph.data.media import digest, local
from kineograph.errors import MediaError
from kineograph.media.probe import Probe, frame_times, probe
from kineograph.media.workers import Limits, each

Verdict = Literal["ok", "remarks", "refused"]


@dataclass(frozen=True)
class Remark:
    """Something that a reader of the dataset should know, and what to do about it."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}" if self.fix else self.what


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of one row. clip: with measured facts; None where it was refused."""

    row: str
    outcome: Verdict
    remarks: tuple[Remark, ...] = ()
    clip: Clip | None = None

    def __str__(self) -> str:
        words = [f"{self.outcome:<8}{self.row}"]
        if self.clip is not None:
            facts = self.clip.facts
            words[0] += f"  {facts.frames} x {facts.height} x {facts.width}, {facts.fps:g} fps"
        return "\n".join([*words, *(f"{'':10}{printable(str(one))}" for one in self.remarks)])


@dataclass(frozen=True)
class Inspection:
    """What decoding a clip showed."""

    clip: Clip
    remarks: tuple[Remark, ...]


def check(found: Iterable[Found], limits: Limits) -> Iterator[Finding]:
    """Look at every clip, in order; what cannot be decoded takes only its own row.

    Args:
        found: clips and problems, as importers give them.
        limits: of each clip.
    """
    rows = deque[Found]()
    seen: dict[tuple[str | None, Span | None], str] = {}

    def taken() -> Iterator[Found]:
        for row in found:
            rows.append(row)
            yield row

    for outcome in each(look, taken(), limits):
        row = rows.popleft()
        if isinstance(row, Problem):
            remark = Remark(row.reason, row.fix)
            yield Finding(row=printable(row.row), outcome="refused", remarks=(remark,))
            continue
        name = printable(row.source)
        if outcome.value is None:
            why = Remark(_without_name(outcome.failure or "", row), "replace the file or the row")
            yield Finding(row=name, outcome="refused", remarks=(why,))
            continue
        clip, remarks = outcome.value.clip, outcome.value.remarks
        same = seen.get((clip.digest, clip.span))
        if same is not None:
            remarks += (Remark(f"is the same as {same}", "delete one of them"),)
        seen.setdefault((clip.digest, clip.span), name)
        verdict: Verdict = "remarks" if remarks else "ok"
        yield Finding(row=name, outcome=verdict, remarks=remarks, clip=clip)


def known_or_checked(found: Iterable[Found], limits: Limits) -> Iterator[Finding]:
    """Findings of all rows; clips that were measured before are not decoded again."""
    waiting: list[Found] = []
    for row in found:
        if isinstance(row, Problem) or not row.facts.measured:
            waiting.append(row)
            continue
        yield from check(waiting, limits)
        waiting = []
        yield Finding(row=printable(row.source), outcome="ok", clip=row)
    yield from check(waiting, limits)


def look(found: Found) -> Inspection | None:
    """Decode a clip; the job of a worker. A problem is handed through, to keep its place.

    Raises:
        MediaError: no such file, no video, or no frame in the clip's part of it.
    """
    if isinstance(found, Problem):
        return None
    with local(found.path) as path:
        if path.is_file():
            name = digest(path)
            facts = probe(path, count=found.span is None)
        else:  # says what it is instead
            name, facts = "", probe(path)
        span, count, lost = None, facts.frames, facts.lost
        if found.span is not None:
            span, lost = _exact(found.span, path, facts)
            count = (span.stop or 0) - (span.first or 0)
    measured = Facts(
        frames=count, height=facts.height, width=facts.width, fps=facts.fps, origin=MEASURED
    )
    clip = replace(found, facts=measured, span=span, digest=name)
    return Inspection(clip, (*_about(facts, lost or 0), *_claims(found.facts, measured, found)))


def _exact(span: Span, path: Path, facts: Probe) -> tuple[Span, int]:
    """The span with frame numbers and seconds as they really are, and how many are lost."""
    found = frame_times(path)
    half = 1 / (2 * Fraction(facts.fps))
    end = found.times[-1] + 2 * half

    def number(seconds: float) -> int:
        return sum(time <= Fraction(seconds) - half for time in found.times)

    first = span.first if span.first is not None else number(span.start)
    stop = span.stop
    if stop is None:
        stop = len(found.times) if span.end is None else number(span.end)
    if not first < stop <= len(found.times):
        raise MediaError(
            f"{path}: has {len(found.times)} frames; expected frames {first} to {stop} in it"
        )
    times = (*found.times, end)
    exact = Span(start=float(times[first]), end=float(times[stop]), first=first, stop=stop)
    return exact, found.lost


def _about(facts: Probe, lost: int) -> Iterator[Remark]:
    """What is unusual about a file that can be decoded."""
    if lost:
        yield Remark(f"{lost} frames are damaged and left out", "encode the file again")
    if facts.variable_rate:
        yield Remark(
            f"its frame rate varies, {facts.fps:.3g} a second on the mean",
            "clips are taken by time, nothing has to be done",
        )
    if facts.rotation:
        yield Remark(f"is turned by {facts.rotation} degrees", "it is read upright")
    if facts.alpha:
        yield Remark("has transparent pixels", "they are shown on white")
    if facts.color_range == "full":
        yield Remark("has full-range colours", "they are read as such")
    if facts.color_space == "bt2020":
        yield Remark("has wide-gamut colours", "HDR is not tone-mapped; convert it to BT.709")
    if facts.has_audio:
        yield Remark(f"has {facts.audio_streams} audio streams", "they are not read")
    if facts.width % 2 or facts.height % 2:
        yield Remark(
            f"has an odd size, {facts.width}x{facts.height}", "it is scaled and cut like others"
        )


def _claims(claimed: Facts, measured: Facts, clip: Clip) -> Iterator[Remark]:
    """Where a list says something else, and what it does not say."""
    pairs = {
        "frames": (claimed.frames, measured.frames),
        "height": (claimed.height, measured.height),
        "width": (claimed.width, measured.width),
    }
    for name, (said, found) in pairs.items():
        if said is not None and said != found:
            yield Remark(f"its list says {said} {name}, there are {found}", "the latter counts")
    if claimed.fps and measured.fps and abs(claimed.fps - measured.fps) > 0.01 * measured.fps:
        what = f"its list says {claimed.fps:g} frames per second, there are {measured.fps:.6g}"
        yield Remark(what, "the latter counts")
    if not clip.captions:
        yield Remark("has no caption", "write one, if it is to teach words")


def printable(text: str) -> str:
    """Text for a terminal: line breaks, control signs and broken names are escaped."""
    plain = "".join(sign for sign in text if not sign.isspace() or sign == " ")
    return text if plain == text and text.isprintable() else ascii(text)[1:-1]


def _without_name(failure: str, clip: Clip) -> str:
    """A reason without the path that stands before it in any case."""
    _, colon, rest = failure.partition(f"{clip.source}: ")
    return rest if colon else failure
