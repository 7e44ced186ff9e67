"""A small dataset in every layout that is read. Importers open no video, so these are no videos."""

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kineograph.data.clip import Caption, Clip, Facts, Span
from kineograph.data.layouts import parquet


@dataclass(frozen=True)
class Example:
    """A dataset that was written: where, in which layout, and what its clips should be."""

    kind: str
    place: Path
    clips: tuple[Clip, ...]


def video(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no video, but nobody looks")
    return path


def clip(path: Path, text: str, origin: str, **facts: float) -> Clip:
    captions = (Caption(text=text, origin=origin),) if text else ()
    return Clip(source=str(path), captions=captions, facts=Facts(**facts))  # type: ignore[arg-type]


def ledger(root: Path) -> Example:
    clips = tuple(clip(root / f"{n}.mp4", f"clip {n}", "text", frames=5 + n) for n in range(3))
    parquet.write(clips, root / parquet.LEDGER)
    return Example("ledger", root, clips)


def open_sora_csv(root: Path) -> Example:
    lines = [
        "path,text,num_frames,height,width,aspect_ratio,resolution,fps,aes",
        'a.mp4,"a dog, ""big""",81,480,854,0.562,409920,24.0,',
        '"b,1.mp4","two\nlines",51.0,720,1280,0.5625,921600,30,nan',
    ]
    (root / "meta.csv").write_text("\n".join(lines) + "\n")
    one = clip(root / "a.mp4", 'a dog, "big"', "text", frames=81, height=480, width=854, fps=24.0)
    two = clip(root / "b,1.mp4", "two\nlines", "text", frames=51, height=720, width=1280, fps=30.0)
    return Example("open-sora", root / "meta.csv", (one, two))


def open_sora_parquet(root: Path) -> Example:
    table = pa.table({"path": ["a.mp4", "b.mp4"], "text": ["a", None], "num_frames": [9, None]})
    pq.write_table(table, root / "meta.parquet")
    clips = clip(root / "a.mp4", "a", "text", frames=9), clip(root / "b.mp4", "", "text")
    return Example("open-sora", root, clips)


def plan(root: Path) -> Example:
    (root / "lists").mkdir()
    items = [
        {"path": "a.mp4", "cap": ["a", "aa"], "resolution": {"height": 480, "width": 640},
         "num_frames": 93, "fps": 18, "duration": 5.1},
        {"path": "b.mp4", "cap": "b", "fps": 24.0},
    ]  # fmt: skip
    (root / "lists/one.json").write_text(json.dumps(items))
    (root / "data.txt").write_text("videos,lists/one.json\n\n")
    captions = Caption(text="a", origin="cap"), Caption(text="aa", origin="cap")
    facts = Facts(frames=93, height=480, width=640, fps=18.0)
    one = Clip(source=str(root / "videos/a.mp4"), captions=captions, facts=facts)
    return Example("open-sora-plan", root, (one, clip(root / "videos/b.mp4", "b", "cap", fps=24.0)))


def metadata_csv(root: Path) -> Example:
    (root / "metadata.csv").write_text("\ufefffile_name,text\na.mp4,a\nsub/b.mp4,b\n")
    clips = clip(root / "a.mp4", "a", "text"), clip(root / "sub/b.mp4", "b", "text")
    return Example("metadata", root, clips)


def metadata_jsonl(root: Path) -> Example:
    rows = [{"video": "a.mp4", "prompt": "a"}, {"video": "b.mp4", "prompt": "b"}]
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    video(root / "a.mp4")
    clips = tuple(clip(root / f"{name}.mp4", name, "prompt") for name in "ab")
    return Example("metadata", root, clips)


def lists(root: Path) -> Example:
    (root / "videos.txt").write_text("videos/a.mp4\nvideos/b.mp4\n")
    (root / "prompts.txt").write_text("a\nb\n\n")
    video(root / "videos/a.mp4")
    clips = tuple(clip(root / f"videos/{name}.mp4", name, "prompts.txt") for name in "ab")
    return Example("lists", root, clips)


def fastvideo(root: Path) -> Example:
    items = [{"path": f"{name}.mp4", "cap": [name], "fps": 24} for name in "ab"]
    (root / "videos2caption.json").write_text(json.dumps(items))
    video(root / "videos/a.mp4")
    clips = tuple(clip(root / f"videos/{name}.mp4", name, "cap", fps=24.0) for name in "ab")
    return Example("fastvideo", root, clips)


def ltx(root: Path) -> Example:
    items = [{"media_path": f"clips/{name}.mp4", "caption": name} for name in "ab"]
    (root / "dataset.json").write_text(json.dumps(items))
    return Example(
        "ltx", root, tuple(clip(root / f"clips/{name}.mp4", name, "caption") for name in "ab")
    )


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def webdataset(root: Path) -> Example:
    found = []
    for shard in range(2):
        with tarfile.open(root / f"{shard:05d}.tar", "w") as archive:
            for name in ("0001", "d/0002"):
                add(archive, f"{name}.mp4", b"video")
                add(archive, f"{name}.txt", b"words\n")
                add(archive, f"{name}.json", b'{"fps": 8, "caption": "more words"}')
                captions = (
                    Caption(text="words", origin="txt"),
                    Caption(text="more words", origin="caption"),
                )
                source = str(root / f"{shard:05d}.tar/{name}.mp4")
                found.append(Clip(source=source, captions=captions, facts=Facts(fps=8.0)))
    return Example("webdataset", root, tuple(found))


def cosmos(root: Path) -> Example:
    video(root / "clips/b-1.mp4")
    (root / "metas/v0").mkdir(parents=True)
    measured = {"width": 854, "height": 480, "framerate": 24.0}
    found = [
        {"clip_location": "s3://bucket/clips/b-1.mp4", **measured, "num_frames": 300,
         "source_video": "in/a.mp4", "motion_score": {"global_mean": 0.5}, "aesthetic_score": 4.5,
         "windows": [{"start_frame": 0, "end_frame": 255, "qwen_caption": "a dog",
                      "qwen_lm_enhanced_caption": "a big dog"},
                     {"start_frame": 256, "end_frame": 299, "qwen_caption": "a cat"}]},
        {"clip_location": "/out/clips/c-2.mp4", **measured, "num_frames": 9,
         "windows": [{"start_frame": 0, "end_frame": 8, "qwen_caption": "a ball"}]},
        {"clip_location": "/out/clips/d-3.mp4", **measured, "num_frames": 9, "windows": []},
    ]  # fmt: skip
    for number, row in enumerate(found):
        (root / f"metas/v0/{number}.json").write_text(json.dumps(row))
    facts = Facts(height=480, width=854, fps=24.0)
    captions = [
        (Caption(text="a dog", origin="qwen_caption"),
         Caption(text="a big dog", origin="qwen_lm_enhanced_caption")),
        (Caption(text="a cat", origin="qwen_caption"),),
    ]  # fmt: skip
    first = Clip(
        source=str(root / "clips/b-1.mp4"),
        span=Span(start=0.0, end=256 / 24, first=0, stop=256),
        facts=facts,
        captions=captions[0],
        scores={"motion_score.global_mean": 0.5, "aesthetic_score": 4.5},
        notes={"source_video": "in/a.mp4"},
    )
    span = Span(start=256 / 24, end=300 / 24, first=256, stop=300)
    second = replace(first, span=span, captions=captions[1])
    size = {"height": 480, "width": 854, "fps": 24.0, "frames": 9}
    ball = clip(root / "clips/c-2.mp4", "a ball", "qwen_caption", **size)
    return Example(
        "cosmos-curate",
        root,
        (first, second, ball, replace(ball, source=str(root / "clips/d-3.mp4"), captions=())),
    )


def sidecar(root: Path) -> Example:
    one, two, three = (video(root / name) for name in ("a.mp4", "b.MOV", "sub/c.webm"))
    one.with_suffix(".txt").write_text("a\n dog\n")
    three.with_suffix(".txt").write_text("c")
    clips = clip(one, "a dog", ".txt"), clip(two, "", ""), clip(three, "c", ".txt")
    return Example("sidecar", root, clips)


def labelled(root: Path) -> Example:
    one, two = video(root / "train/high_jump/a.mp4"), video(root / "test/run/b.avi")
    return Example(
        "video-folder", root, (clip(two, "run", "label"), clip(one, "high jump", "label"))
    )


def split(root: Path) -> Example:
    for name in ("train", "test"):
        video(root / name / "a.mp4")
        (root / name / "metadata.jsonl").write_text(f'{{"file_name": "a.mp4", "text": "{name}"}}\n')
    clips = tuple(clip(root / name / "a.mp4", name, "text") for name in ("train", "test"))
    return Example("video-folder", root, clips)


def plain(root: Path) -> Example:
    names = ("-b 'q'.mp4", "a.mp4", "\N{SNOWMAN}\n.mkv", "sub/c.webm")
    paths = [video(root / name) for name in names]
    (root / "readme.md").write_text("nothing")
    return Example("folder", root, tuple(clip(path, "", "") for path in paths))


EXAMPLES: dict[str, Callable[[Path], Example]] = {
    one.__name__: one
    for one in (
        ledger, open_sora_csv, open_sora_parquet, plan, metadata_csv, metadata_jsonl, lists,
        fastvideo, ltx, webdataset, cosmos, sidecar, labelled, split, plain,
    )
}  # fmt: skip


@pytest.fixture(params=EXAMPLES, ids=str)
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Example:
    """Every one of them in turn."""
    return EXAMPLES[request.param](tmp_path)
