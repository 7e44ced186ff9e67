"""Every row of a dataset gets one finding; what is said is what decoding shows."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from kineograph.data import check as checking
from kineograph.data.check import Finding, check, known_or_checked, look, printable
from kineograph.data.clip import Caption, Clip, Facts, Span
from kineograph.data.layouts.rows import Problem
from kineograph.errors import MediaError
from kineograph.media.workers import Limits

LIMITS = Limits(seconds=20.0)
WORDS = (Caption(text="words"),)
Film = Callable[..., Path]


def remarks(clip: Clip) -> list[str]:
    found = look(clip)
    assert found is not None
    return [str(one) for one in found.remarks]


def test_rows_are_found_in_order_with_their_reasons(film: Film, tmp_path: Path) -> None:
    good = Clip(source=str(film("good.mp4")), captions=WORDS)
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "empty.mp4").touch()
    names = ("text.mp4", "folder.mp4", "empty.mp4", "nothing.mp4")
    others = [Clip(source=str(tmp_path / name)) for name in names]
    rows = [Problem("list.csv, line 3", "has 2 cells", "write 3"), others[0], good, *others[1:]]
    found = list(check(rows, LIMITS))
    assert [one.row for one in found] == [
        "list.csv, line 3", *(str(tmp_path / name) for name in
        ("text.mp4", "good.mp4", "folder.mp4", "empty.mp4", "nothing.mp4")),
    ]  # fmt: skip
    assert [one.outcome for one in found] == ["refused", "refused", "ok"] + ["refused"] * 3
    assert [one.remarks[0].what.split(" (")[0] for one in found if one.remarks] == [
        "has 2 cells",
        "not a video that can be read",
        "is a folder; expected a file",
        "the file is empty",
        "there is no such file",
    ]
    assert all(one.remarks[0].fix for one in found if one.remarks)
    clip = found[2].clip
    assert clip is not None and len(clip.digest or "") == 32
    assert clip.facts == Facts(frames=10, height=32, width=48, fps=8.0, origin="measured")


def test_what_a_list_claims_is_held_against_what_is_there(film: Film) -> None:
    claimed = Facts(frames=99, height=32, width=40, fps=24.0)
    said = remarks(Clip(source=str(film()), facts=claimed))
    assert said == [
        "its list says 99 frames, there are 10; the latter counts",
        "its list says 40 width, there are 48; the latter counts",
        "its list says 24 frames per second, there are 8; the latter counts",
        "has no caption; write one, if it is to teach words",
    ]


def test_what_is_unusual_is_said(tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 33, 31, "yuva420p"
        sound = container.add_stream("pcm_s16le", rate=8000)
        for stamp in (0, 100, 200, 700, 800, 1500):
            frame = VideoFrame.from_ndarray(np.zeros((31, 33, 4), np.uint8), format="rgba")
            frame = frame.reformat(format="yuva420p")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        audio = av.AudioFrame.from_ndarray(np.zeros((1, 80), np.int16), "s16", "mono")
        audio.sample_rate = 8000
        container.mux(sound.encode(audio))
    said = " | ".join(remarks(Clip(source=str(path), captions=WORDS)))
    for words in ("rate varies", "transparent pixels", "1 audio streams", "odd size, 33x31"):
        assert words in said


@pytest.mark.parametrize(
    ("span", "exact"),
    [
        (Span(start=0.25, end=0.75), Span(start=0.25, end=0.75, first=2, stop=6)),
        (Span(start=0.3, end=0.7), Span(start=0.25, end=0.75, first=2, stop=6)),
        (Span(start=0.5), Span(start=0.5, end=1.25, first=4, stop=10)),
        (Span(first=1, stop=3), Span(start=0.125, end=0.375, first=1, stop=3)),
    ],
)
def test_a_part_of_a_file_gets_exact_frames_and_seconds(
    span: Span, exact: Span, film: Film
) -> None:
    found = look(Clip(source=str(film()), span=span))
    assert found is not None and found.clip.span == exact
    assert exact.stop is not None and exact.first is not None
    assert found.clip.facts.frames == exact.stop - exact.first


@pytest.mark.parametrize("span", [Span(start=2.0), Span(first=8, stop=12), Span(start=9, end=10)])
def test_a_part_behind_the_end_is_refused(span: Span, film: Film) -> None:
    with pytest.raises(MediaError, match="has 10 frames; expected frames"):
        look(Clip(source=str(film()), span=span))


def test_the_same_clip_twice_is_said_and_another_part_of_it_is_not(
    film: Film, tmp_path: Path
) -> None:
    one = film("one.mp4")
    two = tmp_path / "two.mp4"
    two.write_bytes(one.read_bytes())
    clips = [Clip(source=str(path), captions=WORDS) for path in (one, two)]
    part = Clip(source=str(two), captions=WORDS, span=Span(start=0.0, end=0.5))
    found = list(check([*clips, part], LIMITS))
    assert [one.outcome for one in found] == ["ok", "remarks", "ok"]
    assert str(found[1].remarks[0]) == f"is the same as {one}; delete one of them"


def test_a_decoder_that_hangs_or_dies_takes_only_its_row(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Clip(source=str(film()), captions=WORDS)
    bad = [Clip(source="__import__('time').sleep(60)"), Clip(source="__import__('os')._exit(1)")]
    # Workers import their job by name, so the accident is in the data: a source is evaluated.
    monkeypatch.setattr(checking, "look", Accident())
    found = list(check([good, *bad, good], Limits(seconds=2.0)))
    assert [one.outcome for one in found] == ["ok", "refused", "refused", "remarks"]
    assert "took more than 2 seconds" in str(found[1]) and "died (exit code 1)" in str(found[2])


class Accident:
    """A job that every worker can build: `eval` of sources that are no files, else `look`."""

    def __reduce__(self) -> tuple[object, ...]:
        program = (
            "lambda clip: eval(clip.source) if '(' in clip.source else "
            "__import__('kineograph.data.check').data.check.look(clip)"
        )
        return eval, (program,)


def test_measured_clips_are_not_decoded_again(film: Film) -> None:
    facts = Facts(frames=5, height=2, width=2, fps=1.0, origin="measured")
    known = Clip(source="nowhere.mp4", facts=facts)
    found = list(known_or_checked([known, Clip(source=str(film())), known], LIMITS))
    assert [one.clip and one.clip.facts.frames for one in found] == [5, 10, 5]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a b.mp4", "a b.mp4"), ("a\nb", r"a\nb"), ("\x1b[2J", r"\x1b[2J"), ("ü", "ü")],
)  # fmt: skip
def test_a_name_cannot_write_on_the_terminal_what_it_wants(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert shown in str(Finding(row=printable(text), outcome="refused"))
