"""Any two choices of the papers go together, or are refused with a reason.

A covering set: rows that hold one value of every switch, chosen so that every two values of
different switches stand together in some row. Each row trains and samples a miniature.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from typing import Any, get_args, get_type_hints

import pytest
import torch
from torch import Tensor

from kineograph.autoencoders.causal_kl import CausalKLConfig
from kineograph.autoencoders.deep_compression import DeepCompressionConfig, DeepLevels
from kineograph.autoencoders.denoising import DenoisingConfig
from kineograph.autoencoders.denoising_stages import Folded, Residuals, Unfolded
from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.autoencoders.stacked import StackedConfig
from kineograph.autoencoders.time_kl import TimeKLConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.conditioning.channels import GivenChannels, GivenEnds
from kineograph.conditioning.dropout import FirstFrame
from kineograph.conditioning.injections import HeldFrames
from kineograph.conditioning.replacement import ReplacedFrames
from kineograph.conditioning.tasks import image_to_video
from kineograph.conditioning.token_dropping import FixedCount, SpatialDropping, TemporalDropping
from kineograph.denoisers.laboratory import Laboratory, LaboratoryConfig
from kineograph.denoisers.laboratory_layout import (
    Absolute,
    Added,
    Divided,
    Everywhere,
    Fractional,
    RelativeFractional,
    Rotated,
    SkipWindow,
    Sparse,
)
from kineograph.denoisers.laboratory_parts import (
    Concatenated,
    Crossed,
    Features,
    Joined,
    PerBlock,
    PerModel,
    PreNorm,
    Sandwich,
    Unread,
)
from kineograph.diffusion.guidance import ClassifierFree
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.samplers import Euler
from kineograph.diffusion.sampling import Look, sample
from kineograph.errors import ConfigError
from kineograph.nn.attention import NoNorm, NormHead, NormLayer, NormWidth
from kineograph.nn.order import BothWays, Causal
from kineograph.nn.rotary import Falling, Rising
from kineograph.recipes.recipe import Recipe
from kineograph.types import Condition, Layout, TextEmbedding, TrainableAutoencoder, seeded

# --- the switches ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Image:
    """A way of a given image: the injection, who draws it in training, who reads it."""

    injection: HeldFrames | ReplacedFrames | GivenChannels
    drawn: FirstFrame | GivenEnds
    picture: Unread | Concatenated | Features


BESIDE = GivenChannels()
FIRST, ENDS = FirstFrame(probability=0.6), GivenEnds()
LEVELS = DeepLevels(
    widths=(2, 4, 8), depths=(1, 1, 1), reaches=(None, None, None), halves=(True, True)
)
SEEN = RelativeFractional(largest=(2.0, 32.0, 32.0), token=(4, 8, 8))
FACTS = ("height", "width", "crop_top", "crop_left", "stride")

SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "autoencoder": {
        "wavelet_flow": WaveletFlowConfig(
            latent_channels=4,
            base=4,
            encoder_blocks=1,
            decoder_blocks=1,
            connect_blocks=1,
            encoder_energy=3,
            decoder_energy=5,
        ),
        "denoising": DenoisingConfig(
            latent_channels=3,
            patch=2,
            encoder_base=2,
            encoder=(Residuals(blocks=1), Folded(stride=(2, 2, 2), channels=8)),
            decoder_base=8,
            decoder=(Residuals(blocks=1), Unfolded(channels=4, straight=True)),
        ),
        "image_kl": ImageKLConfig(widths=(4, 8, 8), blocks=1, groups=2),
        "stacked": StackedConfig(
            image=ImageKLConfig(widths=(4, 4), blocks=1, groups=2),
            time=TimeKLConfig(base=4, factors=(1, 2, 1), halves=(True, True), blocks=1, groups=2),
            chunk=None,
            scale=(),
            shift=(),
        ),
        "causal_kl": CausalKLConfig(latent_channels=2, widths=(2, 4, 4, 4), blocks=1, groups=2),
        "deep_compression": DeepCompressionConfig(
            latent_channels=2, encoder=LEVELS, decoder=LEVELS, divisor=0.5
        ),
    },
    "reach": {
        "full": Everywhere(),
        "2+1D": Divided(),
        "skip_window": SkipWindow(stride=2),
        "skiparse": Sparse(stride=2),
    },
    "order": {"both_ways": BothWays(), "causal": Causal()},
    "time_patch": {"t1": 1, "t2": 2, "t4": 4},
    "dropping": {
        "whole": None,
        "spatial": SpatialDropping(),
        "temporal": TemporalDropping(),
        "anywhere": FixedCount(tokens=6, most=0.99),
    },
    "coordinates": {"absolute": Absolute(), "fractional": Fractional(), "relative": SEEN},
    "encoding": {"rotary": Rotated(), "sinusoidal": Added()},
    "spacing": {"falling": Falling(), "rising": Rising()},
    "norm": {
        "qk_none": NoNorm(),
        "qk_rms": NormHead(),
        "qk_wide": NormWidth(),
        "qk_ln": NormLayer(),
    },
    "norms": {"pre": PreNorm(), "sandwich": Sandwich()},
    "modulated": {"shared": PerModel(), "per_block": PerBlock()},
    "words": {"crossed": Crossed(), "joined": Joined()},
    "image": {
        "replaced": Image(ReplacedFrames(), FIRST, Unread()),
        "held": Image(HeldFrames(), FIRST, Unread()),
        "channels": Image(BESIDE, ENDS, Concatenated()),
        "features": Image(BESIDE, ENDS, Features()),
    },
    "micro": {"plain": (), "micro": FACTS},
}
NAMES = tuple(SWITCHES)
Row = dict[str, str]

REASONS = {
    "text and video are one sequence": [
        (("words", "joined"), ("reach", reach)) for reach in ("2+1D", "skip_window", "skiparse")
    ],
    "whole numbers are too far apart": [(("spacing", "rising"), ("coordinates", "absolute"))],
    "columns through time have gaps": [(("dropping", "anywhere"), ("reach", "2+1D"))],
    "one image fills no latent frame": [
        (("image", image), ("autoencoder", "deep_compression")) for image in ("replaced", "held")
    ],
}
REFUSED = {frozenset(pair): reason for reason, pairs in REASONS.items() for pair in pairs}


# --- the covering set -----------------------------------------------------------------------


def pairs_of(row: Row) -> set[frozenset[tuple[str, str]]]:
    """Every two choices of a row."""
    return {frozenset(pair) for pair in combinations(row.items(), 2)}


def sensible() -> set[frozenset[tuple[str, str]]]:
    """Every two values of different switches that are not refused."""
    every = {
        frozenset(((one, left), (other, right)))
        for one, other in combinations(NAMES, 2)
        for left in SWITCHES[one]
        for right in SWITCHES[other]
    }
    return every - REFUSED.keys()


def covering(seed: int = 0, tries: int = 5) -> list[Row]:
    """Rows without a refused pair that together hold all others, each chosen greedily."""
    draw, left, rows = random.Random(seed), sensible(), []
    while left:
        order = sorted(map(sorted, left))  # sets have no order of their own
        candidates = [_row(order, left, draw) for _ in range(tries)]
        best = max(candidates, key=lambda row: len(pairs_of(row) & left))
        rows.append(best)
        left -= pairs_of(best)
    return rows


def _row(
    order: list[list[tuple[str, str]]], left: set[frozenset[tuple[str, str]]], draw: random.Random
) -> Row:
    """A row around one pair that is left; the other switches in random order."""
    row = dict(draw.choice(order))
    for name in draw.sample(NAMES, len(NAMES)):
        if name in row:
            continue
        free = [
            value
            for value in draw.sample(sorted(SWITCHES[name]), len(SWITCHES[name]))
            if not any(frozenset(((name, value), other)) in REFUSED for other in row.items())
        ]
        row[name] = max(
            free, key=lambda value: sum(frozenset(((name, value), o)) in left for o in row.items())
        )
    return {name: row[name] for name in NAMES}


ROWS = covering()


def test_the_rows_hold_every_sensible_pair_and_no_other():
    held = set[frozenset[tuple[str, str]]]().union(*map(pairs_of, ROWS))
    assert held == sensible()
    assert all(set(row) == set(NAMES) for row in ROWS)
    assert len(ROWS) <= 40  # 24 would be the least: six autoencoders, each with four of something


def test_every_autoencoder_that_a_recipe_can_name_is_a_switch():
    named = get_args(get_type_hints(Recipe)["autoencoder"])
    assert set(named) == {type(one) for one in SWITCHES["autoencoder"].values()}


# --- a row ------------------------------------------------------------------------------------


@cache
def autoencoder(name: str) -> tuple[TrainableAutoencoder, Tensor, Tensor]:
    """An autoencoder, a clip (2, 3, T, Y, X) that it can code, and the clip's latents."""
    torch.manual_seed(0)
    built = SWITCHES["autoencoder"][name].build().eval().requires_grad_(False)
    legal = built.nearest(9, 32, 32)
    video = torch.rand(2, 3, legal.frames, legal.height, legal.width) * 2 - 1
    with torch.no_grad():
        latents = built.encode(video)
    assert latents.shape[1:] == built.latent_shape(legal.frames, legal.height, legal.width)
    return built, video, latents


def config(row: Row) -> LaboratoryConfig:
    """The denoiser of a row."""
    value = {name: SWITCHES[name][row[name]] for name in NAMES}
    latents = autoencoder(row["autoencoder"])[2]
    return LaboratoryConfig(
        layers=2,
        whole_layers=1,
        heads=2,
        head_width=8,
        channels=latents.shape[1],
        text_width=4,
        pooled_width=6,
        mlp_ratio=2.0,
        patch=(value["time_patch"], 2, 2),
        reach=value["reach"],
        order=value["order"],
        coordinates=value["coordinates"],
        encoding=value["encoding"],
        spacing=value["spacing"],
        theta=20.0,
        norm=value["norm"],
        norms=value["norms"],
        modulated=value["modulated"],
        words=value["words"],
        picture=value["image"].picture,
        micro=value["micro"],
    )


def build(row: Row) -> tuple[Laboratory, Process]:
    """A denoiser whose every weight matters, and the process that it fits."""
    torch.manual_seed(0)
    denoiser = config(row).build()
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    injection = SWITCHES["image"][row["image"]].injection
    process = Process(path=RectifiedFlow(), prediction=Velocity(), injection=injection)
    process.check(denoiser)
    return denoiser, process


def told(samples: int = 2) -> Condition:
    """Text and facts."""
    draw = torch.Generator().manual_seed(1)
    mask = torch.tensor([[True, True, True], [True, True, False]])
    text = TextEmbedding(
        torch.randn(2, 3, 4, generator=draw), mask, torch.randn(2, 6, generator=draw)
    )
    facts = {name: torch.tensor([8.0, 16.0]) for name in ("fps", *FACTS)}
    return Condition(text=text, facts=facts)


def train(row: Row) -> tuple[Laboratory, set[str]]:
    """One training step's gradients, and the parameters that nothing in it depends on."""
    denoiser, process = build(row)
    latents = autoencoder(row["autoencoder"])[2]
    known = SWITCHES["image"][row["image"]].drawn(latents, seeded([5, 6]))
    grid = denoiser.token_grid(tuple(latents.shape[2:]))
    dropping = SWITCHES["dropping"][row["dropping"]]
    keep = None if dropping is None else dropping(2, grid, seeded([3, 4]))
    condition = replace(told(), known=known, layout=Layout(keep=keep))
    objective = Objective(count_dropped=True)
    loss = objective(denoiser, process, latents, condition, seeded([1, 2]))
    assert loss.mean.isfinite() and loss.mean > 0
    loss.mean.backward()
    given = denoiser.config.cells.split(known.strength).any(-1)
    seen = given if keep is None else given.gather(1, keep)
    idle = set() if keep is not None and keep.shape[1] < grid.size else {"gaps.token"}
    if row["image"] == "channels" and not seen.any():
        idle.add("guest.patch_in.weight")  # the given frame was dropped in every sample
    if row["norm"] == "qk_none":  # softmax does not see what is added to all of its scores
        idle |= {name for name, _ in denoiser.named_parameters() if name.endswith("key.bias")}
    tokens = grid.size if keep is None else keep.shape[1]
    alone = []  # blocks in which each token sees itself only
    if row["reach"] == "skiparse" and tokens <= denoiser.config.reach.stride:
        alone.append(0)
    if row["reach"] == "2+1D":
        lying = grid if keep is None else denoiser.config.reach.kept(keep, grid)
        alone += [1] * (lying.frames == 1)
    layers = tuple(
        f"blocks.{index}.attention.{part}" for index in alone for part in ("query", "key")
    )
    idle |= {name for name, _ in denoiser.named_parameters() if name.startswith(layers)}
    return denoiser, idle


@torch.no_grad()
def sampled(row: Row) -> Tensor:
    """One sampling step from noise, of clips that begin with an image."""
    denoiser, process = build(row)
    coder, video, latents = autoencoder(row["autoencoder"])
    given = image_to_video(video[:, :, :1], video.shape[2])
    known = process.injection.known(given, coder, None)
    condition = replace(told(), known=known)
    empty = replace(condition.text, tokens=torch.zeros(2, 3, 4))
    look = Look(
        denoiser=denoiser,
        process=process,
        guidance=ClassifierFree(scale=2.0),
        condition=condition,
        empty=empty,
    )
    start = seeded([1, 2])(tuple(latents.shape))
    found = sample(look, Euler(), start, torch.tensor([1.0, 0.0]), seeded([3, 4]))
    assert known.strength.any() and found.isfinite().all() and not torch.equal(found, start)
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row.values()))
def test_a_row_trains_and_samples(row):
    denoiser, idle = train(row)
    gradients = {name: p.grad for name, p in denoiser.named_parameters() if p.grad is not None}
    assert {name for name, grad in gradients.items() if not grad.isfinite().all()} == set()
    moved = {name for name, grad in gradients.items() if grad.any()}
    assert {name for name, _ in denoiser.named_parameters()} - moved - idle == set()
    assert sampled(row).shape == autoencoder(row["autoencoder"])[2].shape


@pytest.mark.parametrize("name", SWITCHES["autoencoder"])
@torch.no_grad()
def test_what_is_sampled_can_be_decoded(name):
    coder, video, latents = autoencoder(name)
    assert coder.decode(latents, video.shape[2], seeded([1, 2])).shape == video.shape


# --- what is refused ----------------------------------------------------------------------------

MESSAGES = {
    "text and video are one sequence": "tear the one sequence of text and video",
    "whole numbers are too far apart": "fast pairs would turn many times",
    "columns through time have gaps": "attention along time sees whole columns",
    "one image fills no latent frame": "fill no latent frame",
}


@pytest.mark.parametrize(
    ("pair", "reason"),
    REFUSED.items(),
    ids=["-".join(sorted(value for _, value in pair)) for pair in REFUSED],
)
def test_what_makes_no_sense_is_refused_with_its_reason(pair, reason):
    usual = next(row for row in ROWS if row["norm"] == "qk_rms")
    row = {name: next(iter(SWITCHES[name])) for name in NAMES} | dict(pair)
    assert usual.keys() == row.keys()
    assert len(pairs_of(row) & REFUSED.keys()) == 1
    with pytest.raises(ConfigError, match=MESSAGES[reason]):
        train(row)
        sampled(row)


def test_an_image_beside_the_latents_that_nobody_reads_is_refused():
    row = ROWS[0] | {"image": "features"}
    _, process = build(row)
    with pytest.raises(ConfigError, match="does not read them there"):
        process.check(replace(config(row), picture=Unread()).build())
