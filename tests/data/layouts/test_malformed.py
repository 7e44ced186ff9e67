"""A hundred malformed rows among good ones: each gets a line, and no good row is lost."""

import csv
import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kineograph.data.clip import Clip
from kineograph.data.layouts import parquet
from kineograph.data.layouts.rows import Problem
from kineograph.data.layouts.table import read
from kineograph.errors import DataError

BAD = 100
GOOD = 50
Writer = Callable[[random.Random, Path], None]

# Rows of tables that cannot be clips, as {name: value}; PATH and TEXT are the layout's names.
WRONG_PATHS: list[object] = [None, "", "  ", 5, True, ["a.mp4"], {"a": 1}, "a\0.mp4"]
WRONG_TEXTS: list[object] = [5, True, {"a": "b"}, [1], ["a", {"b": 1}], "\ud800"]
WRONG_NUMBERS: list[object] = ["many", -1, 1e400, True, [3], {"a": 3}, "0x10", 2**40, "-inf"]


def order(draw: random.Random) -> list[bool]:
    """Which of the rows are malformed."""
    rows = [True] * BAD + [False] * GOOD
    draw.shuffle(rows)
    return rows


def wrong_row(draw: random.Random, path: str, text: str) -> object:
    """A value that is no row of a JSON table."""
    row: dict[str, object] = {path: "a.mp4", text: "words", "fps": 8}
    kind = draw.randrange(6)
    if kind == 0:
        return draw.choice([None, 5, "a.mp4", ["a.mp4", "words"], True, 2.5])
    if kind == 1:
        row[path] = draw.choice(WRONG_PATHS)
    elif kind == 2:
        row[text] = draw.choice(WRONG_TEXTS)
    elif kind == 3:
        row[draw.choice(["num_frames", "height", "width", "fps"])] = draw.choice(WRONG_NUMBERS)
    elif kind == 4:
        del row[path]
    else:
        row["cut"] = draw.choice([5, [1], [5, 2], [-1, 3], ["a", "b"], "[1", {"a": 1}])
    return row


def wrong_json(draw: random.Random, path: str, text: str) -> str:
    """The text of such a row, or one that is no JSON."""
    good = json.dumps({path: "a.mp4", text: "words, {and} more"})
    cut = good[: draw.randrange(5, len(good) - 1)]
    broken = [cut, good.replace('"', "'"), good.replace(":", "="), "{,}", '{"a": }', "nul"]
    broken += ["[" * 5000, "{" + "9" * 5000]
    if draw.random() < 0.4:
        return draw.choice(broken)
    return json.dumps(wrong_row(draw, path, text))


def wrong_csv(draw: random.Random) -> bytes:
    """A line that is no row of path, text, num_frames, fps."""
    cells = ["a.mp4", "words", "81", "24"]
    kind = draw.randrange(6)
    if kind == 0:
        return ",".join(cells[: draw.randrange(1, 4)]).encode()
    if kind == 1:
        return ",".join(cells + ["more"] * draw.randrange(1, 4)).encode()
    if kind == 2:
        return draw.choice([b'"a.mp4,words,81,24', b'a.mp4,"words,81,24', b'"a"b,words,81,24'])
    if kind == 3:
        return draw.choice([b"a\xff.mp4,words,81,24", b"\xc3\x28,words,81,24", b"\x80"])
    if kind == 4:
        return draw.choice([b",words,81,24", b"  ,words,81,24", b"a\0.mp4,words,81,24"])
    cells[draw.choice([2, 3])] = draw.choice(["many", "-1", "1e400", "0x10", "-inf", "True"])
    return ",".join(cells).encode()


def csv_file(head: str) -> Callable[[random.Random, Path], bytes]:
    def write(draw: random.Random, root: Path) -> bytes:
        good = io.StringIO()
        csv.writer(good).writerow(["good.mp4", 'a "word",\nand more', 81, 24])
        rows = [wrong_csv(draw) + b"\n" if bad else good.getvalue().encode() for bad in order(draw)]
        return f"{head}\n".encode() + b"".join(rows)

    return write


def open_sora(draw: random.Random, root: Path) -> None:
    (root / "a.csv").write_bytes(csv_file("path,text,num_frames,fps")(draw, root))


def metadata_csv(draw: random.Random, root: Path) -> None:
    (root / "metadata.csv").write_bytes(csv_file("file_name,text,num_frames,fps")(draw, root))


def metadata(draw: random.Random, root: Path) -> None:
    good = json.dumps({"file_name": "good.mp4", "text": "words"})
    rows = [wrong_json(draw, "file_name", "text") if bad else good for bad in order(draw)]
    (root / "metadata.jsonl").write_text("\n".join(rows))


def video_folder(draw: random.Random, root: Path) -> None:
    (root / "train").mkdir()
    metadata(draw, root / "train")


def json_list(draw: random.Random, path: str, text: str) -> str:
    """A list that is JSON as a whole."""
    good = {path: "good.mp4", text: "words"}
    return json.dumps([wrong_row(draw, path, text) if bad else good for bad in order(draw)])


def fastvideo(draw: random.Random, root: Path) -> None:
    (root / "videos2caption.json").write_text(json_list(draw, "path", "cap"))


def ltx(draw: random.Random, root: Path) -> None:
    (root / "dataset.json").write_text(json_list(draw, "media_path", "caption"))


def open_sora_plan(draw: random.Random, root: Path) -> None:
    (root / "list.json").write_text(json_list(draw, "path", "cap"))
    (root / "data.txt").write_text("videos,list.json\n")


def lists(draw: random.Random, root: Path) -> None:
    wrong = [(b"", b"words"), (b"a.mp4", b""), (b"\xff.mp4", b"words"), (b"a.mp4", b"\xff")]
    wrong.append((b"a\0.mp4", b"words"))
    pairs = [draw.choice(wrong) if bad else (b"good.mp4", b"words") for bad in order(draw)]
    pairs.append((b"good.mp4", b"the last line"))
    for name, side in (("videos.txt", 0), ("prompts.txt", 1)):
        (root / name).write_bytes(b"\n".join(pair[side] for pair in pairs))


def sidecar(draw: random.Random, root: Path) -> None:
    for number, bad in enumerate(order(draw)):
        (root / f"{number}.mp4").write_bytes(b"")
        text = draw.choice([b"", b" \n ", b"\xff\xfe\x00", b"\xc3("]) if bad else b"words"
        (root / f"{number}.txt").write_bytes(text)


def webdataset(draw: random.Random, root: Path) -> None:
    with tarfile.open(root / "a.tar", "w") as archive:
        for number, bad in enumerate(order(draw)):
            members = {"mp4": b"video", "txt": b"words", "json": b'{"fps": 8}'}
            kind = draw.randrange(5) if bad else None
            if kind == 0:
                del members["mp4"]
            elif kind == 1:
                members["txt"] = b"\xff\xfe"
            elif kind == 2:
                members["json"] = draw.choice([b"{", b"[]", b"5", b'"a"', b"[" * 5000, b"\xff"])
            elif kind == 3:
                value = draw.choice([v for v in WRONG_NUMBERS if v is not True])
                members["json"] = json.dumps({"num_frames": value}).encode()
            for ending, data in members.items():
                entry = tarfile.TarInfo(f"{'../' if kind == 4 else ''}{number}.{ending}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


def cosmos(draw: random.Random, root: Path) -> None:
    (root / "clips").mkdir()
    (root / "metas/v0").mkdir(parents=True)
    for number, bad in enumerate(order(draw)):
        window: dict[str, object] = {"start_frame": 0, "end_frame": 8, "qwen_caption": "words"}
        row: dict[str, object] = {"clip_location": "/x/clips/good.mp4", "windows": [window]}
        kind = draw.randrange(7) if bad else None
        if kind == 0:
            row["clip_location"] = draw.choice([None, "", 5, "/x/clips/a\0.mp4", ["a"]])
        elif kind == 1:
            row["clip_location"] = "/x/filtered_clips/a.mp4"
        elif kind == 2:
            row["windows"] = draw.choice([5, "a", {"a": 1}, [5], [[]]])
        elif kind == 3:
            window["qwen_caption"] = draw.choice(WRONG_TEXTS)
        elif kind == 4:
            window["end_frame"] = draw.choice([-2, "b", None, [3], {"a": 1}, 2.5])
        elif kind == 5:
            row["framerate"] = draw.choice(WRONG_NUMBERS)
        text = json.dumps(row)
        broken = [text[: draw.randrange(1, len(text) - 1)], "[]", "5", "[" * 5000]
        text = draw.choice(broken) if kind == 6 else text
        (root / f"metas/v0/{number:03d}.json").write_text(text)


def ledger(draw: random.Random, root: Path) -> None:
    rows = []
    for bad in order(draw):
        row: dict[str, object] = {"source": "good.mp4", "facts": {"fps": 8.0, "origin": "claimed"}}
        kind = draw.randrange(5) if bad else None
        if kind == 0:
            row["source"] = draw.choice([None, "", " ", "a\0"])
        elif kind == 1:
            row["facts"] = {"fps": draw.choice([0.0, -1.0, float("inf")]), "origin": "claimed"}
        elif kind == 2:
            row["facts"] = {"fps": 8.0, "origin": draw.choice(["", "guessed"])}
        elif kind == 3:
            row["scores"] = [("flow", draw.choice([float("nan"), float("inf")]))]
        elif kind == 4:
            row["span"] = {"start": 2.0, "end": draw.choice([1.0, -1.0, 2.0])}
        rows.append(row)
    schema = parquet._schema()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), root / parquet.LEDGER)


KINDS: dict[str, tuple[str, Writer]] = {
    "open-sora": ("open-sora", open_sora),
    "metadata csv": ("metadata", metadata_csv),
    "metadata": ("metadata", metadata),
    "video-folder": ("video-folder", video_folder),
    "fastvideo": ("fastvideo", fastvideo),
    "ltx": ("ltx", ltx),
    "open-sora-plan": ("open-sora-plan", open_sora_plan),
    "lists": ("lists", lists),
    "sidecar": ("sidecar", sidecar),
    "webdataset": ("webdataset", webdataset),
    "cosmos-curate": ("cosmos-curate", cosmos),
    "ledger": ("ledger", ledger),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_malformed_row_gets_a_line_and_nothing_else_is_lost(name: str, tmp_path: Path) -> None:
    kind, write = KINDS[name]
    write(random.Random(f"{name} 0"), tmp_path)
    found = list(read(tmp_path, kind))
    problems = [one for one in found if isinstance(one, Problem)]
    clips = [one for one in found if isinstance(one, Clip)]
    assert len(problems) == BAD, [str(one) for one in problems[:9]]
    assert len({one.row for one in problems}) == BAD
    assert all(one.reason and one.fix and len(str(one)) < 500 for one in problems)
    extra = 1 if name == "lists" else 0
    assert len(clips) == GOOD + extra
    if name not in ("sidecar", "webdataset"):
        assert {one.path.name for one in clips} == {"good.mp4"}


@pytest.mark.parametrize("seed", range(5))
def test_a_json_list_that_is_broken_gives_its_other_items(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    good = json.dumps({"path": "good.mp4", "cap": "words, {and} more"})
    cuts = [good[: draw.randrange(5, len(good) - 1)], good.replace(":", "="), '{"a": }', "{,}"]
    rows = order(draw)
    items = [draw.choice(cuts) if bad else good for bad in rows]
    (tmp_path / "videos2caption.json").write_text("[\n" + ",\n".join(items) + "\n]")
    found = list(read(tmp_path))
    # A string that is cut open takes at most the item behind it along; each is named.
    assert sum(isinstance(one, Problem) for one in found) >= BAD * 0.7
    assert sum(isinstance(one, Clip) for one in found) == GOOD


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("videos2caption.json", b'{"path": "a.mp4"}', "expected a JSON list, found a dict"),
        ("videos2caption.json", b"\x00\xff", "expected a JSON list of objects"),
        ("metadata.csv", b"", "the first line is no CSV header"),
        ("a.parquet", b"PAR1 rubbish PAR1", "is no parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_named(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    kinds = {".parquet": "open-sora", ".csv": "metadata", ".json": "fastvideo"}
    (tmp_path / name).write_bytes(content)
    place = tmp_path / name
    with pytest.raises(DataError, match=message):
        list(read(place, kinds[place.suffix]))


def test_a_tar_file_that_was_cut_gives_what_came_before(tmp_path: Path) -> None:
    webdataset(random.Random(1), tmp_path)
    whole = (tmp_path / "a.tar").read_bytes()
    before = sum(isinstance(one, Clip) for one in read(tmp_path))
    (tmp_path / "a.tar").write_bytes(whole[: len(whole) // 2 + 100])
    found = list(read(tmp_path))
    assert before / 4 < sum(isinstance(one, Clip) for one in found) < before
    last = found[-1]
    assert isinstance(last, Problem) and "the tar file is damaged" in last.reason
