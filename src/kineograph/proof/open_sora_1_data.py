"""Open-Sora 1.x's data rules against stored vectors: buckets, windows, frames, prompts."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from kineograph.checkpoints.manifest import read_json
from kineograph.data import published_buckets as published
from kineograph.data.aspects import open_sora_1
from kineograph.data.buckets import Bucket, BucketTable, ClipSize, Length, Row
from kineograph.data.frames import RandomWindow
from kineograph.errors import CheckpointError, nearest
from kineograph.media.framing import CoverClip, CoverPicture
from kineograph.proof.table import Table
from kineograph.proof.vector import Results, Vector
from kineograph.text.cleaning import Cleaning, Lowering
from kineograph.text.segments import Asked, at_loop, joined, segments, stripped, unpacked
from kineograph.text.suffixes import Scores

TABLES: Mapping[str, BucketTable] = {
    "stage1": published.OPEN_SORA_1_STAGE_1,
    "stage2": published.OPEN_SORA_1_STAGE_2,
    "stage3": published.OPEN_SORA_1_STAGE_3,
}
CONFIGS = "training_configs.json"  # beside the vector: the tables that we do not ship


def buckets(vector: Vector) -> Results:
    """Where clips go, under the tables of the published stages."""
    found = Table()
    for case in vector.meta["cases"]:
        name = case["config"] if isinstance(case["config"], str) else "given"
        table = _table(vector, case["config"])
        found.same(f"{name}/num_bucket", table.count, case["num_bucket"])
        numbers = {
            level.size.name: {str(length.frames): number for number, length in level.numbered()}
            for level in table.levels
        }
        found.same(f"{name}/bucket_ids", numbers, case["bucket_ids"])
        ours = [told(table.find(ClipSize(*row[:4]), row[4])) for row in case["rows"]]
        for index, (own, row) in enumerate(zip(ours, case["rows"], strict=True)):
            found.same(f"{name}/{index}", own, row[5:8])
    return found.results()


def told(bucket: Bucket | None) -> list[Any]:
    """A bucket as the vectors write it: name, shape, batch size; None where a clip is left out."""
    if bucket is None:
        return [None, None, None]
    shape = [bucket.frames, bucket.height, bucket.width]
    return [[bucket.size, bucket.frames, bucket.label], shape, bucket.batch]


def temporal_crop(vector: Vector) -> Results:
    """Windows at random places, and the frames in them."""
    found = Table()
    for index, case in enumerate(vector.meta["cases"]):
        window = RandomWindow(frames=case["num_frames"], interval=case["frame_interval"])
        total, seed = case["total_frames"], case["seed"]
        begin, end = window.span(total, random.Random(seed))
        found.same(f"cases/{index}/span", [begin, end], [case["begin"], case["end"]])
        frames = window(total, random.Random(seed))
        found.same(f"cases/{index}/indices", frames, case["indices"])
    return found.results()


def preprocess(vector: Vector) -> Results:
    """Clips and pictures at a size, as numbers in [-1, 1]."""
    outputs: dict[str, Tensor] = {}
    for case in vector.config["cases"]:
        name, (height, width) = case["name"], case["dst"]
        frames = vector.inputs[f"video_{name}"].permute(0, 2, 3, 1)
        outputs[f"video_{name}"] = CoverClip()(frames, height, width)[0]
        outputs[f"image_{name}"] = CoverPicture()(frames[:1], height, width)[0]
    return Results(outputs)


def text(vector: Vector) -> Results:
    """Cleaned captions, prompts with scores, with settings, and with loops."""
    found, meta = Table(), vector.meta
    for index, case in enumerate(meta.get("clean", ())):
        for name, cleaning in (
            ("once", Cleaning(passes=1)),
            ("twice", Cleaning()),
            ("lower_strip_only", Lowering()),
        ):
            if name in case:
                found.same(f"clean/{index}/{name}", cleaning(case["input"]), case[name])
    for index, case in enumerate(meta.get("append_score", ())):
        scores = Scores(
            aesthetic=case["aes"], motion=case["flow"], camera=case["camera_motion"] or ""
        )
        prompt = scores(case["prompt"])
        found.same(f"append_score/{index}/output", prompt, case["output"])
        found.same(f"append_score/{index}/cleaned", Cleaning()(prompt), case["cleaned"])
    for index, case in enumerate(meta.get("extract_json", ())):
        asked = unpacked(Asked(case["prompt"], case["reference"], case["mask"]))
        stored = [case["out_prompt"], case["out_reference"], case["out_mask"]]
        ours = [asked.prompt, asked.references, asked.masks]
        found.same(f"extract_json/{index}", ours, stored)
    for index, case in enumerate(meta.get("split_merge", ())):
        pieces = stripped(segments(case["prompt"]))
        loops = [one.loop for one in pieces if one.loop is not None] or None
        ours_split: list[object] = [[one.text for one in pieces], loops, joined(pieces)]
        stored = [case["segments"], case["loop_index"], case["merged"]]
        found.same(f"split_merge/{index}", ours_split, stored)
    for index, case in enumerate(meta.get("loop_prompt", ())):
        ours_at = at_loop(case["prompt"], case["loop_i"])
        found.same(f"loop_prompt/{index}", ours_at, case["output"])
    return found.results()


def sizes(vector: Vector) -> Results:
    """The tables of heights and widths."""
    found = Table()
    for name, stored in vector.meta["resolutions"].items():
        own = open_sora_1(name)
        ours = {one.label: [one.height, one.width] for one in own.aspects}
        found.same(f"{name}/num_pixels", own.pixels, stored["num_pixels"])
        found.same(f"{name}/order", list(ours), stored["order"])
        found.same(f"{name}/sizes", ours, stored["sizes"])
    return found.results()


def _table(vector: Vector, config: Any) -> BucketTable:
    """A published table by its name, one from the file beside the vector, or one in the vector."""
    if isinstance(config, Mapping):
        return _read(config)
    if config in TABLES:
        return TABLES[config]
    path = vector.path.with_name(CONFIGS)
    stages = read_json(path)["stages"] if path.exists() else {}
    if config not in stages:
        raise CheckpointError(f"buckets {config!r}{nearest(config, [*TABLES, *stages])}")
    return _read(stages[config]["bucket_config"])


def _read(config: Mapping[str, Any]) -> BucketTable:
    """Tables in the reference's way: size -> frames -> probability or a pair, and batch size."""
    rows = []
    for size, lengths in config.items():
        read = []
        for frames, told_length in lengths.items():
            entry = told_length
            if not isinstance(entry, Mapping):
                entry = {"keep_prob": entry[0], "batch_size": entry[1]}
            keep = entry["keep_prob"]
            keep, look = keep if isinstance(keep, list) else (keep, None)
            keep = 1.0 if keep is None else keep  # tables of evaluation name none
            batch = entry["batch_size"] or 0
            read.append(Length(frames=int(frames), batch=batch, keep=keep, look=look))
        rows.append(Row(size=size, lengths=tuple(read)))
    return BucketTable(rows=tuple(rows))


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_1/aspect_ratios": sizes,
    "open_sora_1/buckets": buckets,
    "open_sora_1/preprocess": preprocess,
    "open_sora_1/temporal_crop": temporal_crop,
    "open_sora_1/text": text,
}
