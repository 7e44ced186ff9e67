"""The laboratory's denoiser hears what its switches say, and nothing else."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kineograph.config import from_data, to_data
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
from kineograph.errors import ConfigError
from kineograph.nn.attention import NoNorm, NormHead, NormLayer, NormWidth
from kineograph.nn.order import Causal
from kineograph.nn.rotary import Falling, Rising
from kineograph.types import Condition, Grid, Known, Layout, TextEmbedding

SMALL = LaboratoryConfig(
    layers=2, heads=2, head_width=12, channels=3, text_width=5, mlp_ratio=2.0, theta=50.0
)
LATENTS = (2, 3, 3, 4, 4)
GRID = Grid(3, 2, 2)
TIME = torch.tensor([0.3, 0.8]).view(2, 1, 1, 1, 1)
FACTS = {"fps": torch.tensor([8.0, 12.0]), "height": torch.tensor([256.0, 512.0])}
close = torch.testing.assert_close


def model(config: LaboratoryConfig = SMALL) -> Laboratory:
    """A model whose every weight matters."""
    torch.manual_seed(0)
    built = config.build().eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built


def condition(keep: list[int] | None = None, known: Known | None = None) -> Condition:
    generator = torch.Generator().manual_seed(1)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    text = TextEmbedding(
        torch.randn(2, 3, 5, generator=generator), mask, torch.randn(2, 6, generator=generator)
    )
    layout = Layout(keep=None if keep is None else torch.tensor(keep).expand(2, -1))
    return Condition(text=text, facts=FACTS, layout=layout, known=known)


def latents(shape: tuple[int, ...] = LATENTS) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2))


def first_frame() -> Known:
    strength = torch.zeros(2, 1, *LATENTS[2:])
    strength[:, :, 0] = 1.0
    return Known(
        torch.randn(LATENTS, generator=torch.Generator().manual_seed(3)) * strength, strength
    )


SWITCHES = [
    *({"reach": one} for one in (Divided(), SkipWindow(stride=2), Sparse(stride=2))),
    {"order": Causal()},
    *({"patch": (frames, 2, 2)} for frames in (2, 4)),
    *(
        {"coordinates": one}
        for one in (Fractional(), RelativeFractional(largest=(2.0, 128.0, 128.0)))
    ),
    {"encoding": Added()},
    {"coordinates": Fractional(), "spacing": Rising()},
    *({"norm": one} for one in (NoNorm(), NormWidth(), NormLayer())),
    {"norms": Sandwich()},
    {"modulated": PerBlock()},
    {"words": Joined()},
    *({"picture": one} for one in (Concatenated(), Features())),
    {"micro": ("height",)},
    {"pooled_width": 6},
    {"whole_layers": 1},
]


@pytest.mark.parametrize("switch", SWITCHES, ids=str)
@torch.no_grad()
def test_every_switch_does_something_and_keeps_the_shape(switch):
    base = replace(SMALL, coordinates=Fractional()) if "spacing" in switch else SMALL
    config = replace(base, **switch)
    assert from_data(LaboratoryConfig, to_data(config)) == config
    told = condition(known=first_frame())
    found = model(config)(latents(), TIME, told)
    assert found.shape == LATENTS and found.isfinite().all()
    assert not torch.allclose(found, model(base)(latents(), TIME, told), atol=1e-4)


@pytest.mark.parametrize("switch", [{}, *SWITCHES], ids=str)
@torch.no_grad()
def test_an_untrained_model_predicts_zero_through_blocks_that_are_the_identity(switch):
    fresh = replace(SMALL, **({"coordinates": Fractional()} | switch)).build()
    assert not fresh(latents(), TIME, condition()).any()
    torch.nn.init.ones_(fresh.patch_out.weight)
    told = condition(known=first_frame())
    other = replace(told, text=replace(told.text, tokens=told.text.tokens + 1.0))
    if "pooled_width" not in switch and "micro" not in switch:  # these do join the last layer
        close(fresh(latents(), TIME, told), fresh(latents(), TIME, other))


@pytest.mark.parametrize("words", [Crossed(), Joined()], ids=lambda one: one.kind)
@torch.no_grad()
def test_words_are_read_and_masked_ones_are_not(words):
    built, told = model(replace(SMALL, words=words)), condition()
    before = built(latents(), TIME, told)
    for row, heard in ((0, True), (1, False)):
        tokens = told.text.tokens.clone()
        tokens[row, 1:] += 1.0
        after = built(latents(), TIME, replace(told, text=replace(told.text, tokens=tokens)))
        assert torch.allclose(after[row], before[row], atol=1e-5) != heard
        close(after[1 - row], before[1 - row])


@pytest.mark.parametrize("words", [Crossed(), Joined()], ids=lambda one: one.kind)
@torch.no_grad()
def test_in_order_nothing_is_heard_of_later_frames_not_even_through_text(words):
    built, x = model(replace(SMALL, layers=3, order=Causal(), words=words)), latents()
    later = x.clone()
    later[:, :, 2] += 1.0
    before, after = built(x, TIME, condition()), built(later, TIME, condition())
    close(after[:, :, :2], before[:, :, :2])
    assert not torch.allclose(after[:, :, 2], before[:, :, 2])


@torch.no_grad()
def test_fractions_of_the_clip_do_not_know_its_size_but_seconds_and_pixels_know_the_rate():
    grids = Grid(2, 2, 2), Grid(4, 2, 2)
    cpu = torch.device("cpu")
    short, long = (Fractional().starts(grid, {}, cpu)[0] for grid in grids)
    close(short, long[::2])
    relative = RelativeFractional(largest=(2.0, 128.0, 64.0), token=(8, 32, 32))
    frames, rows, columns = relative.starts(grids[1], FACTS, cpu)
    seconds = torch.tensor([[0.0, 1.0, 2.0, 3.0], [0.0, 2 / 3, 4 / 3, 2.0]])
    close(frames, torch.pi / 2 * (seconds - 1.0))
    close(rows, torch.pi / 2 * torch.tensor([-1.0, -0.5]))
    close(columns, torch.pi / 2 * torch.tensor([-1.0, 0.0]))


@pytest.mark.parametrize("encoding", [Rotated(), Added()], ids=lambda one: one.kind)
@torch.no_grad()
def test_places_matter_along_every_axis(encoding):
    built = model(replace(SMALL, encoding=encoding))
    for axis in (2, 3, 4):
        x = latents((2, 3, 2, 4, 4))
        patches = x.unflatten(3, (2, 2)).unflatten(5, (2, 2))
        dims = {2: 2, 3: 3, 4: 5}[axis]
        swapped = patches.flip(dims).flatten(5, 6).flatten(3, 4)
        found, other = built(x, TIME, condition()), built(swapped, TIME, condition())
        back = (
            other.unflatten(3, (2, 2)).unflatten(5, (2, 2)).flip(dims).flatten(5, 6).flatten(3, 4)
        )
        assert not torch.allclose(back, found, atol=1e-4)


@pytest.mark.parametrize("words", [Crossed(), Joined()], ids=lambda one: one.kind)
@pytest.mark.parametrize("modulated", [PerModel(), PerBlock()], ids=lambda one: one.kind)
@torch.no_grad()
def test_equal_times_of_cells_are_one_time(words, modulated):
    built = model(replace(SMALL, patch=(2, 2, 2), words=words, modulated=modulated))
    cells, one = TIME.expand(2, 1, *LATENTS[2:]), built(latents(), TIME, condition())
    exact = {"rtol": 1e-4, "atol": 1e-4}  # other products of matrices round otherwise
    close(built(latents(), cells, condition()), one, **exact)
    clean = cells.clone()
    clean[:, :, 0, :2, :2] = 0.0  # half of a token: its noisiest cell counts
    close(built(latents(), clean, condition()), one, **exact)
    clean[:, :, 1, :2, :2] = 0.0
    assert not torch.allclose(built(latents(), clean, condition()), one, atol=1e-2)


@pytest.mark.parametrize(
    ("reach", "keep"),
    [
        (Everywhere(), [0, 3, 5, 6, 7, 10]),
        (Divided(), [1, 2, 5, 6, 9, 10]),
        (Divided(), [4, 5, 6, 7]),
        (SkipWindow(stride=2), [0, 3, 5, 6, 7, 10]),
        (Sparse(stride=2), [0, 3, 5, 6, 7]),
    ],
    ids=str,
)
@torch.no_grad()
def test_dropped_tokens_are_not_seen_but_predicted(reach, keep):
    built, told = model(replace(SMALL, reach=reach)), condition(keep)
    dropped = [index for index in range(GRID.size) if index not in keep]
    cells = built.config.cells.split(latents())
    cells[:, dropped] += 1.0
    other = built.config.cells.merge(cells, (3, 4, 4))
    before = built(latents(), TIME, told)
    close(built(other, TIME, told), before)
    assert built.config.cells.split(before)[:, dropped].abs().sum() > 0
    whole = condition(list(range(GRID.size)))
    close(built(latents(), TIME, whole), built(latents(), TIME, condition()))


def test_places_that_are_no_columns_are_refused_where_blocks_look_along_time():
    built = model(replace(SMALL, reach=Divided()))
    with pytest.raises(ConfigError, match="same places"):
        built(latents(), TIME, condition([0, 1, 4]))


@pytest.mark.parametrize(
    "picture", [Unread(), Concatenated(), Features()], ids=lambda one: one.kind
)
@torch.no_grad()
def test_a_given_frame_is_read_where_the_config_says_so(picture):
    built, known = model(replace(SMALL, picture=picture)), first_frame()
    without = built(latents(), TIME, condition())
    shown = built(latents(), TIME, condition(known=known))
    assert torch.allclose(shown, without) == (picture == Unread())
    hidden = Known(known.latents, torch.zeros_like(known.strength))
    nothing = Known(torch.zeros_like(known.latents), torch.zeros_like(known.strength))
    close(built(latents(), TIME, condition(known=nothing)), without)
    if picture == Features():  # what is not given is masked, whatever stands there
        close(built(latents(), TIME, condition(known=hidden)), without)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"words": Joined(), "reach": Divided()}, "tear the one sequence.*nearest: words"),
        ({"words": Joined(), "reach": Sparse()}, "tear the one sequence"),
        ({"spacing": Rising()}, "turn many times; nearest: coordinates = 'fractional'"),
        ({"head_width": 4}, r"4 channels: expected an even number from 6 on.*nearest: 6"),
        ({"head_width": 9}, r"9 channels: expected an even number.*nearest: 10"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_with_a_reason(change, reason):
    with pytest.raises(ConfigError, match=reason):
        replace(SMALL, **change)


def test_what_lacks_is_named():
    with pytest.raises(ConfigError, match="expected stride too"):
        model(replace(SMALL, micro=("stride",)))(latents(), TIME, condition())
    with pytest.raises(ConfigError, match="without a pooled vector: expected one of 6"):
        told = condition()
        built = model(replace(SMALL, pooled_width=6))
        built(latents(), TIME, replace(told, text=replace(told.text, pooled=None)))
    with pytest.raises(ConfigError, match="off the video's own grid"):
        model()(latents(), TIME, replace(condition(), layout=Layout(when=torch.zeros(2, 3))))


def test_the_defaults_are_those_that_most_papers_share():
    config = LaboratoryConfig()
    assert (config.reach, config.coordinates, config.spacing) == (
        Everywhere(),
        Absolute(),
        Falling(),
    )
    assert (config.norm, config.norms, config.words) == (NormHead(), PreNorm(), Crossed())
