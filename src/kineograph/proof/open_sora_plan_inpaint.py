"""What Open-Sora Plan's image model is told about given frames, against stored vectors."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from kineograph.conditioning.frame_masks import Head, HeadAndTail, Nothing, Row
from kineograph.conditioning.mask_mix import Everything, Few, Leading, MaskMix, Task
from kineograph.conditioning.masked_video import blackened, folded
from kineograph.media.resize import to_unit
from kineograph.proof.vector import Results, Vector
from kineograph.types import Given

NO_CHANCE = Row(iter(()))
ROWS = {"t2v": "t2iv", "random": "random_temporal"}  # the tables' words for tasks


def tasks(least: float = 0.0, most: float = 1.0) -> dict[str, Task]:
    """Tasks by the reference's names."""
    return {
        "t2iv": Nothing(),
        "i2v": Head(),
        "transition": HeadAndTail(),
        "continuation": Leading(least=least, most=most),
        "clear": Everything(),
        "random_temporal": Few(least=least, most=most),
    }


def masks(vector: Vector) -> Results:
    """Masks of missing frames (1: missing) as channels, and clips with holes."""
    strides = vector.config
    frames = vector.inputs["pixels_uint8"]
    clip = to_unit(rearrange(frames, "t c y x -> t y x c"))
    outputs = {}
    for name in vector.outputs:
        case, part = name.split("/")
        if part == "compressed":
            mask = vector.inputs[f"{case}/mask"]
            rows = mask.shape[3] // strides["stride_h"]
            columns = mask.shape[4] // strides["stride_w"]
            outputs[name] = 1 - folded(1 - mask, strides["stride_t"], rows, columns)
            continue
        given = tasks()[case].given(len(frames), NO_CHANCE)
        if part == "mask":
            outputs[name] = (~given).float()
        else:
            strength = given.float().view(1, 1, -1, 1, 1).expand_as(clip[:, :1])
            outputs[name] = blackened(Given(clip, strength))[0].transpose(0, 1)
    return Results(outputs)


def mask_schedule(vector: Vector) -> Results:
    """How often each task comes, in the shipped config and in the tables of stages."""
    meta, names = vector.meta, list(tasks())
    outputs: dict[str, Tensor] = {}
    expected: dict[str, Tensor] = {}
    shipped = meta["shipped_mask_config"]
    for kind, stored in (("video", "normalised_video"), ("image", "normalised_image_all_zero")):
        outputs[kind] = _mix(shipped[kind], meta).shares()
        expected[kind] = torch.tensor([meta[stored][task] for task in shipped[kind]]).double()
    stages = {f"stage1 step {row['step']}": row for row in meta["stage1"]}
    for name, row in {**stages, "stage2": meta["stage2"]}.items():
        percent = {ROWS.get(task, task): float(row[task]) for task in meta["order"]}
        outputs[name] = _mix({task: percent[task] for task in names}, meta).shares()
        expected[name] = torch.tensor([percent[task] for task in names]).double() / 100
    return Results(outputs, expected=expected)


def _mix(weights: Mapping[str, float], meta: Mapping[str, Any]) -> MaskMix:
    """A mix by the reference's names of tasks."""
    shipped = meta["shipped_mask_config"]
    known = tasks(shipped["min_clear_ratio"], shipped["max_clear_ratio"])
    return MaskMix(tasks=tuple(known[task] for task in weights), weights=tuple(weights.values()))


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_plan/inpaint/masks": masks,
    "open_sora_plan/inpaint/mask_schedule": mask_schedule,
}
