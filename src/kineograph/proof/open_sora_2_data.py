"""Open-Sora 2.0's data rules against stored vectors: sizes, buckets, frames, prompts."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from kineograph.data.aspects import open_sora_2, rounded_up
from kineograph.data.buckets import BucketTable, ClipSize, ComputedSizes, Length, OneDraw, Row
from kineograph.data.frames import at_most
from kineograph.media.framing import CoverClip, CoverPicture
from kineograph.proof.open_sora_1_data import told
from kineograph.proof.table import Table
from kineograph.proof.vector import Results, Vector
from kineograph.text.suffixes import RateAndMotion, training_caption
from kineograph.training.warmup import LinearWarmup

MULTIPLE = 16


def data_and_text(vector: Vector) -> Results:
    """Tables of input and output pairs; each kind of pair that the vector has is compared."""
    found, data = Table(), vector.meta["data"]
    for index, case in enumerate(data.get("aspect", ())):
        _aspects(found, f"aspect/{index}", case)
    for name in ("get_image_size", "sanitize"):
        for index, case in enumerate(data.get(name, ())):
            found.same(f"{name}/{index}", _size(case, name), case["height_width"])
    shapes = open_sora_2("1024px", training=False)
    for index, case in enumerate(data.get("closest_ratio", ())):
        ours = shapes.closest(case["height"], case["width"]).label
        found.same(f"closest_ratio/{index}", ours, case["ratio"])
    if "bucket" in data:
        _buckets(found, data["bucket"])
    for index, case in enumerate(data.get("map_target_fps", ())):
        rate = at_most(case["fps"], case["max_fps"])
        found.close(f"map_target_fps/{index}/fps", rate.fps, case["new_fps"])
        found.same(f"map_target_fps/{index}/interval", rate.interval, case["interval"])
    _prompts(found, data)
    for index, case in enumerate(data.get("linear_warmup", ())):
        warmup = LinearWarmup(steps=case["warmup_steps"], initial=case["initial_lr"])
        ours_rates = [warmup(case["base_lr"], step) for step in range(len(case["lr"]))]
        relative = [own / case["base_lr"] for own in ours_rates]
        stored = [rate / case["base_lr"] for rate in case["lr"]]
        found.close(f"linear_warmup/{index}", relative, stored)
    return found.results()


def resize_crop(vector: Vector) -> Results:
    """Clips as numbers in [-1, 1], pictures as levels, filled and cut."""
    outputs: dict[str, Tensor] = {}
    for index, case in enumerate(vector.config["cases"]):
        height, width = case["target"]
        frames = vector.inputs[f"clip_{index}"].permute(0, 2, 3, 1)
        outputs[f"resize_crop_{index}"] = CoverClip()(frames, height, width)[0].transpose(0, 1)
        levels = CoverPicture().levels(frames[:1], height, width)[0]
        outputs[f"image_resize_crop_{index}"] = levels.permute(2, 0, 1)
    return Results(outputs)


def _aspects(found: Table, name: str, case: Mapping[str, Any]) -> None:
    """One table of sizes, in its order."""
    own = open_sora_2(case["resolution"], multiple=case["divisor"], training=case["training"])
    ours = {one.label: [one.height, one.width] for one in own.aspects}
    found.same(f"{name}/pixels", own.pixels, case["pixels"])
    found.same(f"{name}/order", list(ours), list(case["sizes"]))
    found.same(f"{name}/sizes", ours, case["sizes"])


def _size(case: Mapping[str, Any], name: str) -> list[int]:
    """The pixels of a request: a size of its own, or a class and a shape."""
    if "resolution" not in case:
        return list(rounded_up(case["height"], case["width"], MULTIPLE))
    training = case.get("training", name == "get_image_size")
    sizes = open_sora_2(
        case["resolution"], multiple=case.get("divisor", MULTIPLE), training=training
    )
    one = sizes.named(case["aspect_ratio"] if "aspect_ratio" in case else case["ratio"])
    if name == "sanitize":
        return list(rounded_up(one.height, one.width, MULTIPLE))
    return [one.height, one.width]


def _buckets(found: Table, data: Mapping[str, Any]) -> None:
    """Where clips go."""
    rows = []
    for size, lengths in data["config"]:
        read = []
        for frames, chance, batch in lengths:
            keep, further = chance if isinstance(chance, list) else (chance, None)
            look = None if further is None else 1.0 - further
            read.append(Length(frames=frames, batch=batch or 0, keep=keep, look=look))
        rows.append(Row(size=size, lengths=tuple(read)))
    sizes = ComputedSizes(multiple=data.get("divisor", MULTIPLE))
    table = BucketTable(rows=tuple(rows), sizes=sizes, rule=OneDraw())
    found.same("bucket/num_bucket", table.count, data["num_bucket"])
    for index, case in enumerate(data["samples"]):
        interval = at_most(case["fps"], case["fps_max"]).interval
        bucket = table.find(ClipSize(case["T"], case["H"], case["W"], interval), case["seed"])
        stored = [case["bucket"], case["thw"], case["batch_size"]]
        found.same(f"bucket/{index}", told(bucket), stored)


def _prompts(found: Table, data: Mapping[str, Any]) -> None:
    """Captions of training, prompts of sampling."""
    for index, case in enumerate(data.get("caption_suffix_training", ())):
        fps = at_most(case["fps"], case["fps_max"]).fps
        ours = training_caption(case["text"], fps, case["score_vmafmotion"])
        found.same(f"caption_suffix_training/{index}", ours, case["result"])
    for index, case in enumerate(data.get("prompt_suffix_inference", ())):
        suffix = RateAndMotion(fps=case["fps"], motion=int(case["motion_score"]))
        ours_both = [suffix.with_rate(case["text"]), suffix(case["text"])]
        stored = [case["after_fps"], case["after_motion"]]
        found.same(f"prompt_suffix_inference/{index}", ours_both, stored)


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_2/data/resize_crop": resize_crop,
    "open_sora_2/data_and_text": data_and_text,
}
