"""Every layout is recognised by looking, read in order, and what is written comes back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kineograph.data.clip import Caption, Clip, Facts, Span
from kineograph.data.layouts.table import LAYOUTS, WRITERS, read, recognise
from kineograph.data.media import local
from kineograph.errors import DataError, MediaError


def test_a_layout_is_recognised_and_read(example: Any) -> None:
    assert recognise(example.place) == example.kind
    assert tuple(read(example.place)) == example.clips
    assert tuple(read(example.place, example.kind)) == example.clips


def test_no_layout_fails_on_the_place_of_another(example: Any) -> None:
    said = {kind: layout.looks(example.place) for kind, layout in LAYOUTS.items()}
    assert said[example.kind] is True
    assert all(isinstance(one, bool) for one in said.values())


def test_what_is_nothing_or_two_things_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file or folder"):
        read(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"has no layout that is known\. There is ledger: our own"):
        recognise(tmp_path)
    (tmp_path / "metadata.csv").write_text("file_name,text\na.mp4,a\n")
    (tmp_path / "videos2caption.json").write_text('[{"path": "a.mp4", "cap": "a"}]')
    with pytest.raises(DataError, match="could be metadata or fastvideo; say which with --kind"):
        read(tmp_path)
    assert len(list(read(tmp_path, "fastvideo"))) == 1
    with pytest.raises(DataError, match="did you mean 'fastvideo'"):
        read(tmp_path, "fast-video")


@pytest.fixture
def clips(tmp_path: Path) -> tuple[Clip, ...]:
    """Three clips of two files, with everything that a record can say."""
    files = [tmp_path / "in" / name for name in ("a 'b'.mp4", "\N{SNOWMAN}.MKV")]
    for number, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(bytes([number]) * 100)
    full = Clip(
        source=str(files[0]),
        span=Span(start=0.0, end=1.5, first=0, stop=12),
        facts=Facts(frames=12, height=31, width=48, fps=8.0, origin="measured"),
        captions=(Caption(text="a\nball", origin="text"), Caption(text="red", origin="model")),
        scores={"flow": 0.25},
        notes={"who": "me"},
        digest="ab",
    )
    later = replace(full, span=Span(start=1.5, end=3.0, first=12, stop=24), captions=())
    return full, later, Clip(source=str(files[1]))


WHOLE = [kind for kind, writer in WRITERS.items() if not writer.keeps]


@pytest.mark.parametrize("kind", WHOLE)
def test_what_is_exported_comes_back_with_the_same_bytes(
    kind: str, clips: tuple[Clip, ...], tmp_path: Path
) -> None:
    out = tmp_path / "out" / ("clips.parquet" if kind == "ledger" else "")
    assert WRITERS[kind].write(iter(clips), out) == 3
    assert recognise(out) == kind and recognise(tmp_path / "out") == kind
    found = list(read(out))
    assert [vars(one) | {"source": ""} for one in found] == [
        vars(one) | {"source": ""} for one in clips
    ]
    for one, original in zip(found, clips, strict=True):
        assert isinstance(one, Clip)
        with local(one.path) as path:
            assert path.read_bytes() == original.path.read_bytes()
            assert path.suffix.lower() == original.path.suffix.lower()
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_with_its_ledger_may_be_moved(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    WRITERS["ledger"].write(clips, tmp_path / "in" / "clips.parquet")
    moved = (tmp_path / "in").rename(tmp_path / "elsewhere")
    assert all(one.path.is_file() for one in read(moved) if isinstance(one, Clip))


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "ledger"])
def test_an_export_without_its_file_leaves_nothing_half(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such\.mp4"):
        missing = Clip(source=str(tmp_path / "no such.mp4"), captions=(Caption(text="a"),))
        WRITERS[kind].write([missing], tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_an_export_to_where_nothing_can_be_written_says_so(
    clips: tuple[Clip, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    plain = [replace(clips[0], span=None)]
    for writer in WRITERS.values():
        with pytest.raises(DataError, match="cannot be written"):
            writer.write(plain, tmp_path / "file" / "out")


PARTS = ("open-sora-plan", "cosmos-curate")


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind not in WHOLE])
def test_what_others_have_no_place_for_stays_behind_and_nothing_else(
    kind: str, clips: tuple[Clip, ...], tmp_path: Path
) -> None:
    whole = replace(clips[0], span=None), replace(clips[2], captions=(Caption(text="b"),))
    out = tmp_path / "out"
    assert WRITERS[kind].write(iter(whole), out) == 2
    assert recognise(out) == kind.removesuffix("-parquet")
    one, two = read(out)
    assert isinstance(one, Clip) and isinstance(two, Clip)
    for found, given in ((one, whole[0]), (two, whole[1])):
        assert found.path.read_bytes() == given.path.read_bytes()
    assert two.texts == ("b",) and one.span is None and two.span is None
    keeps = WRITERS[kind].keeps
    said = one.texts if "\n" in one.texts[0] else ("a\nball", *one.texts[1:])
    assert said == (("a\nball", "red") if "all captions" in keeps else ("a\nball",))
    if "measures" in keeps:
        assert replace(one.facts, origin="measured") == whole[0].facts
        assert one.scores["flow"] == 0.25
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind not in WHOLE])
def test_parts_of_files_are_exported_or_refused_never_taken_for_the_whole(
    kind: str, clips: tuple[Clip, ...], tmp_path: Path
) -> None:
    part = replace(clips[1], captions=(Caption(text="a"),))
    if kind not in PARTS:
        with pytest.raises(DataError, match=r"is a part of its file, which .* cannot say"):
            WRITERS[kind].write([part], tmp_path / "out")
        return
    WRITERS[kind].write([part], tmp_path / "out")
    [found] = read(tmp_path / "out")
    assert isinstance(found, Clip) and found.span == part.span


def test_lists_and_sidecars_that_cannot_be_are_refused(
    clips: tuple[Clip, ...], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"has no caption, and prompts\.txt needs one"):
        WRITERS["lists"].write([clips[2]], tmp_path / "lists")
    twice = [replace(clips[2], captions=(Caption(text=text),)) for text in "ab"]
    with pytest.raises(DataError, match="serves two clips, and has one text beside it"):
        WRITERS["sidecar"].write(twice, tmp_path / "sidecar")
    uncounted = replace(clips[0], span=Span(start=1.0, end=2.0))
    with pytest.raises(DataError, match="its frames are not counted; run `kineograph data check"):
        WRITERS["open-sora-plan"].write([uncounted], tmp_path / "plan")


def test_a_member_that_is_not_there_or_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"\0" * 10240)
    (tmp_path / "b.tar").write_bytes(b"rubbish")
    for name, message in (("a.tar", "no such member"), ("b.tar", "cannot be read from")):
        with pytest.raises(MediaError, match=message), local(tmp_path / name / "x.mp4"):
            pass
