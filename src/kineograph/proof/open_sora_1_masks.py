"""Open-Sora 1.x's masks of training and of sampling against stored vectors."""

import random
from collections.abc import Callable, Mapping
from dataclasses import astuple

import torch
from torch import Tensor

from kineograph.conditioning.frame_masks import (
    Anywhere,
    EverySecond,
    FrameMasks,
    Head,
    HeadAndTail,
    Nothing,
    Pattern,
    Quarter,
    Scattered,
    Tail,
    Weighted,
)
from kineograph.conditioning.passages import lay, parse, pixel_frames, snap
from kineograph.proof.vector import Results, Vector

PATTERNS: Mapping[str, Pattern] = {
    "identity": Nothing(),
    "random": Scattered(),
    "intepolate": EverySecond(),
    "quarter_random": Anywhere(length=Quarter()),
    "quarter_head": Head(length=Quarter()),
    "quarter_tail": Tail(length=Quarter()),
    "quarter_head_tail": HeadAndTail(length=Quarter()),
    "image_random": Anywhere(),
    "image_head": Head(),
    "image_tail": Tail(),
    "image_head_tail": HeadAndTail(),
}


class Seeded:
    """The reference's choices: Python's generator for numbers, torch's for tensors."""

    def __init__(self, seed: int) -> None:
        self.python = random.Random(seed)
        self.torch = torch.Generator().manual_seed(seed)

    def number(self) -> float:
        """A number in [0, 1)."""
        return self.python.random()

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return self.python.randint(low, high)

    def numbers(self, count: int) -> Tensor:
        """Numbers in [0, 1), (count,)."""
        return torch.rand(count, generator=self.torch)


def generator(vector: Vector) -> Results:
    """Masks of batches, 1 where a frame is predicted."""
    outputs = {}
    for case in vector.config["cases"]:
        masks = FrameMasks(
            patterns=tuple(
                Weighted(pattern=PATTERNS[name], probability=share)
                for name, share in case["ratios"].items()
            )
        )
        dice = Seeded(case["seed"])
        rows = [masks.given(case["num_frames"], dice) for _ in range(case["batch"])]
        outputs[case["name"]] = (~torch.stack(rows)).to(torch.uint8)
    return Results(outputs)


def strategy_parse(vector: Vector) -> Results:
    """Texts as passages, places as multiples, latent frames as pixel frames."""
    meta, outputs, expected = vector.meta, {}, {}
    for index, case in enumerate(meta["cases"]):
        passages = parse(case["input"] or "")
        name = f"cases/{index}"
        outputs[name] = torch.tensor([astuple(one) for one in passages], dtype=torch.float64)
        expected[name] = torch.tensor(case["parsed"], dtype=torch.float64)
    for index, case in enumerate(meta.get("find_nearest_point", [])):
        name = f"find_nearest_point/{index}"
        outputs[name] = torch.tensor(snap(case["value"], case["point"], case["max_value"]))
        expected[name] = torch.tensor(case["result"])
    for latents, frames in meta.get("dframe_to_frame", {}).items():
        name = f"dframe_to_frame/{latents}"
        outputs[name] = torch.tensor(pixel_frames(int(latents)))
        expected[name] = torch.tensor(frames)
    return Results(outputs, expected=expected)


def strategy_apply(vector: Vector) -> Results:
    """Latents with references laid in, and when each frame moves."""
    outputs = {}
    for case in vector.config["cases"]:
        name = case["name"]
        references = [
            [vector.inputs[f"ref_{name}_{sample}_{index}"] for index in range(len(lengths))]
            for sample, lengths in enumerate(case["reference_latent_frames"])
        ]
        start, texts = vector.inputs[f"z_{name}"], [text or "" for text in case["mask_strategy"]]
        known = lay(start, references, texts, loop=case["loop_i"], align=case["align"])
        outputs[f"z_{name}"] = known.latents
        outputs[f"mask_{name}"] = 1.0 - known.strength[:, 0, :, 0, 0]
    return Results(outputs)


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_1/mask_generator": generator,
    "open_sora_1/mask_strategy/apply": strategy_apply,
    "open_sora_1/mask_strategy/parse": strategy_parse,
}
