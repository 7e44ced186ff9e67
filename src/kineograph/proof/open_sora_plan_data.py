"""Open-Sora Plan's data rules and its gradient clipping against stored vectors."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kineograph.data.frames import LegalLength
from kineograph.data.grouped import GroupedOrder
from kineograph.data.min_max import MinMaxSizes, OwnShape
from kineograph.media.framing import CutThenScale, ScaleThenCut
from kineograph.optimisers.clipping import AdaptiveClip, AdaptiveClipping, total_norm
from kineograph.proof.table import Table
from kineograph.proof.vector import Results, Vector

HOST_SEED = 99  # of the draws that fill up batches, as the vector says in words
NOTHING = -1  # the vectors' length of a clip that is left out
UNCLIPPED = 1.0  # what the reference logs as the bound of its first step, which clips nothing


def buckets(vector: Vector) -> Results:
    """Sizes and lengths of clips in the code, sizes of the paper's formula."""
    found, code = Table(), vector.meta.get("reference_code", {})
    for index, case in enumerate(code.get("spatial", ())):
        shape = OwnShape(most=case["max_hxw"], stride=case["stride"], least=case.get("min_hxw"))
        size = case["h"], case["w"]
        scaled, cut = shape.scaled(*size), shape.cut(*size)
        own: list[object] = [[scaled.height, scaled.width], [cut.height, cut.width]]
        own += [shape.common(*size), shape.large(*size)]
        stored = [case[name] for name in ("resized", "sample", "aspect_ok", "area_ok")]
        found.same(f"spatial/{index}", own, stored)
    for index, case in enumerate(code.get("frames", ())):
        length = LegalLength(stride=case["stride_t"], shared=case["model_ds_t"])
        used = length(case["frames"])
        found.same(f"frames/{index}", NOTHING if used is None else used, case["used"])
    for index, case in enumerate(vector.meta.get("paper_formula", ())):
        ratios = [(int(one["ratio"][0]), int(one["ratio"][1])) for one in case["ratios"]]
        sizes = MinMaxSizes(most=case["max_token"], stride=case["stride"], ratios=tuple(ratios))
        for ratio, one in zip(ratios, case["ratios"], strict=True):
            made = sizes.size(ratio)
            numbers = [sizes.factor(ratio), made.height, made.width, made.area]
            name = f"paper_formula/{index}/{ratio[0]}x{ratio[1]}"
            found.same(name, numbers, [one[key] for key in ("k", "h", "w", "tokens")])
        found.same(f"paper_formula/{index}/min_token", sizes.least, case["min_token"])
    return found.results()


def sampler(vector: Vector) -> Results:
    """Rows in the order of their steps, by shape and regardless of it."""
    found, lengths = Table(), vector.meta["lengths"]
    for index, case in enumerate(vector.meta["cases"]):
        skip = case["initial_global_step"] * case["gradient_accumulation"]
        for name, grouped in (("indices_grouped", True), ("indices_ungrouped", False)):
            order = GroupedOrder(
                batch=case["batch_size"], ranks=case["world_size"], grouped=grouped
            )
            steps = order.steps(lengths, random.Random(HOST_SEED), skip)
            rows = [row for piece in steps for batch in piece for row in batch]
            found.same(f"{index}/{name}", rows, case[name])
        rows = GroupedOrder(batch=case["batch_size"]).grouped_rows(lengths)
        found.same(f"{index}/order", rows, case["grouped_order_before_batching"])
    return found.results()


def transforms(vector: Vector) -> Results:
    """Clips at a fixed size, from numbers and from levels, and in their own shape."""
    outputs: dict[str, Tensor] = {}
    found = Table()
    for case in vector.meta["cases"]:
        name, (height, width) = case["input"], case["target"]
        frames = vector.inputs[name].permute(0, 2, 3, 1)
        fixed, own = CutThenScale(), ScaleThenCut(most=case["max_hxw"], stride=case["stride"])
        free = own(frames)
        made = {
            "center_crop_resize_float": fixed(frames.float() / 255.0, height, width),
            "center_crop_resize_uint8": fixed(frames, height, width),
            "maxhw_stride_uint8": free,
        }
        outputs |= {f"{name}/{key}": value.permute(0, 3, 1, 2) for key, value in made.items()}
        found.same(f"{name}/result", list(free.shape[1:3]), case["result"])
    return found.results(outputs)


def adaptive_clip(vector: Vector) -> Results:
    """Steps of several processes in the code, and by the paper's equations, which do not count."""
    found = Table()
    for number, run in enumerate(vector.meta["reference_branch_runs"]):
        ranks = [AdaptiveClip(decay=run["decay"], hollow=True).build() for _ in range(run["world"])]
        directions = torch.tensor(run["unit_directions"])
        for step in run["steps"]:
            name = f"reference/{number}/{step['step']}"
            _reference_step(found, name, ranks, directions, step)
    for number, run in enumerate(vector.meta.get("paper_equation_runs", ())):
        clipping = AdaptiveClip(decay=run["alpha"], spared=None).build()
        clipping.load_state_dict({"mean": run["initial_ema"], "variance": run["initial_var"]})
        for index, step in enumerate(run["steps"]):
            said = clipping.decide([float(norm) for norm in step["norms"]])
            own = [said.bound, *said.scales, said.mean, said.variance]
            stored = [step["threshold"], *step["scale"], step["ema_after"], step["var_after"]]
            found.close(f"paper/{number}/{index}", own, stored, counts=False)
    return found.results()


def _reference_step(
    found: Table,
    name: str,
    ranks: Sequence[AdaptiveClipping],
    directions: Tensor,
    step: Mapping[str, Any],
) -> None:
    """One step of all processes, each with a gradient of a stored norm and direction (N, D)."""
    lengths = torch.tensor([float(norm) for norm in step["norms"]])
    gradients = list((directions * lengths[:, None]).unbind())
    norms = [total_norm([one]) for one in gradients]
    told = [
        clipping([gradient], lambda _: norms, rank)
        for rank, (clipping, gradient) in enumerate(zip(ranks, gradients, strict=True))
    ]
    said = told[0]
    numbers = {
        "threshold": UNCLIPPED if math.isinf(said.bound) else said.bound,
        "max_norm": said.largest,
        "max_norm_processed_used_for_ema": said.kept_largest,
        "ema_after": said.mean,
        "var_after": said.variance,
        "kept_fraction": 1.0 - said.dropped / len(norms),
        "grad_norm_after_per_rank": [total_norm([one]) for one in gradients],
        "averaged_gradient": torch.stack(gradients).mean(0).tolist(),
    }
    for key, own in numbers.items():
        found.close(f"{name}/{key}", own, step[key])
    found.same(f"{name}/dropped", [scale == 0.0 for scale in said.scales], step["dropped"])


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_plan/adaptive_clip": adaptive_clip,
    "open_sora_plan/data/buckets": buckets,
    "open_sora_plan/data/sampler": sampler,
    "open_sora_plan/data/transforms": transforms,
}
