"""What generating one video costs, stage by stage.

Letters: T frames of Y x X pixels; C x F x H x W latents; L text tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch

from kineograph.nn.footprint import ONCE, measure, shapes_only
from kineograph.planning.compression import Compression
from kineograph.planning.forward import Cost, Reading, denoising, weights
from kineograph.planning.machine import Machine
from kineograph.recipes.recipe import Recipe
from kineograph.text.clip import CLIPConfig
from kineograph.text.pair import T5WithCLIPConfig
from kineograph.text.t5 import T5Config
from kineograph.text.words import WordsConfig
from kineograph.types import Condition, Grid, Step, TextEmbedding

ELEMENT = 4
PROCESS = 315 << 20
"""Bytes of a process in which torch for CPUs and all of this library are imported."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage. peak: bytes beyond weights and inputs; seconds: on the machine asked for."""

    name: str
    parameters: int
    passes: int
    flops: int
    peak: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A recipe at a setting.

    d_info: numbers of pixels per number of latents; d_token: pixels per token of the denoiser;
    weights: bytes of all parts in float32; peak: bytes of the hungriest stage, weights included;
    process: those of a whole process on a CPU.
    """

    recipe: str
    frames: int
    height: int
    width: int
    latents: tuple[int, int, int, int]
    tokens: int
    d_info: float
    d_token: int
    weights: int
    peak: int
    process: int
    seconds: float
    stages: tuple[Stage, ...]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is to be made: a legal clip, in so many steps."""

    frames: int
    height: int
    width: int
    steps: int


def plan(recipe: Recipe, setting: Setting, on: Machine) -> Plan:
    """What a recipe costs at a setting; the clip must be one that its autoencoder can make."""
    size = setting.frames, setting.height, setting.width
    with shapes_only():
        text_weights = weights(recipe.text.build())
        autoencoder = recipe.autoencoder.build()
        latents = autoencoder.latent_shape(*size)
        pixels, cells = torch.empty(1, 3, *size), torch.empty(1, *latents)
        coding = weights(autoencoder)
        encode = _cost(coding, partial(autoencoder.encode, pixels))
        decode = _cost(coding, partial(autoencoder.decode, cells))
    reading, looks = read(recipe.text), branches(recipe, setting.steps, latents)
    once = denoising(recipe.denoiser, (max(looks), *latents), reading)
    flops = once.flops * sum(looks) // (max(looks) * setting.steps)  # of a step, on average
    once = Cost(once.parameters, flops, ONCE + once.peak)
    text = Cost(text_weights, 2 * text_weights * reading.tokens, ONCE)
    stages = (
        _stage("text", text, on, max(looks)),
        _stage("denoise", once, on, setting.steps),
        _stage("encode", encode, on, 1),
        _stage("decode", decode, on, 1),
    )
    compression = _compression(recipe, size, latents)
    resident = ELEMENT * (text_weights + once.parameters + coding)
    peak = resident + max(stage.peak for stage in stages if stage.name != "encode")
    return Plan(
        recipe=recipe.name,
        frames=setting.frames,
        height=setting.height,
        width=setting.width,
        latents=latents,
        tokens=compression.tokens(*size),
        d_info=float(compression.d_info),
        d_token=compression.d_token,
        weights=resident,
        peak=peak,
        process=PROCESS + peak,
        seconds=sum(stage.seconds for stage in stages if stage.name != "encode"),
        stages=stages,
    )


def _cost(parameters: int, run: Callable[[], object]) -> Cost:
    """Of a pass of an autoencoder, all at once."""
    found = measure(run)
    return Cost(parameters, found.flops, ONCE + found.resident)


def read(text: object) -> Reading:
    """What a denoiser reads of a prompt that such an encoder made."""
    match text:
        case WordsConfig():
            return Reading(1 + text.length, text.width, text.width)
        case T5Config():
            return Reading(text.length, text.width)
        case CLIPConfig():
            return Reading(text.length, text.width, text.width)
        case T5WithCLIPConfig():
            return Reading(text.t5.length, text.t5.width, text.clip.width)
    raise TypeError(f"{type(text).__name__}: expected the configuration of a text encoder")


def branches(recipe: Recipe, steps: int, latents: tuple[int, int, int, int]) -> list[int]:
    """How many conditions the guidance compares in each step, samples of the denoiser's batch."""
    condition = Condition(TextEmbedding(torch.empty(1, 1, 1)))
    times = recipe.sampling.schedule(steps, Grid(*latents[1:]))
    return [
        len(recipe.guidance.branches(condition, condition.text, Step(index, steps, *pair)))
        for index, pair in enumerate(pairwise(times))
    ]


def _stage(name: str, cost: Cost, on: Machine, count: int) -> Stage:
    flops = cost.flops * count
    return Stage(
        name=name,
        parameters=cost.parameters,
        passes=count,
        flops=flops,
        peak=cost.peak,
        seconds=on.seconds(flops),
    )


def _compression(
    recipe: Recipe, size: tuple[int, int, int], latents: tuple[int, int, int, int]
) -> Compression:
    """Of the recipe's autoencoder and of its denoiser's patches, as `multiple` tells them."""
    rows = size[1] // latents[2]
    patch = max(1, recipe.sampling.multiple // rows)
    return Compression(
        latent=(-(-size[0] // latents[1]), rows, size[2] // latents[3]),
        channels=latents[0],
        patch=(1, patch, patch),
    )
