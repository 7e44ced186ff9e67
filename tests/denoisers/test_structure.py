"""A structure controller steers every denoiser, and says nothing before it has learned."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from kineograph.denoisers.features import added, per_block
from kineograph.denoisers.ltx import LTXConfig
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.denoisers.stiv import STIVConfig
from kineograph.denoisers.structure import Structure, StructureConfig
from kineograph.errors import ConfigError
from kineograph.types import Condition, Given, Inside, Layout, OnDemand, TextEmbedding

SIZE = (3, 4, 6)  # latent frames, rows, columns: 9 frames of 32 x 48 pixels
SMALL = StructureConfig(width=24, blocks=3, heads=2, hidden=5, latent_channels=4)
TIME = torch.tensor([0.3, 0.8]).view(2, 1, 1, 1, 1)


@dataclass(frozen=True, eq=False)
class Case:
    """A denoiser with three blocks, the patch of its tokens, and which module ends block j."""

    config: LTXConfig | SkiparseConfig | STDiTConfig | MMDiTConfig | STIVConfig
    patch: tuple[int, int, int]
    ends: tuple[str, ...]
    starts: tuple[str, ...]


BLOCKS = ("blocks.0", "blocks.1", "blocks.2")
CASES = {
    "ltx": Case(
        LTXConfig(
            layers=3, heads=2, head_width=12, in_channels=4, out_channels=4, text_width=5, patch=2
        ),
        (1, 2, 2),
        BLOCKS,
        BLOCKS,
    ),
    "skiparse": Case(
        SkiparseConfig(
            layers=3, heads=2, head_width=12, in_channels=4, out_channels=4, text_width=5, stride=2
        ),
        (1, 2, 2),
        BLOCKS,
        BLOCKS,
    ),
    "stdit": Case(
        STDiTConfig(layers=3, heads=2, head_width=12, text_width=5, text_length=3),
        (1, 2, 2),
        ("temporal.0", "temporal.1", "temporal.2"),
        ("spatial.0", "spatial.1", "spatial.2"),
    ),
    "mmdit": Case(
        MMDiTConfig(
            channels=4,
            heads=2,
            shares=(4, 4, 4),
            double_layers=2,
            single_layers=1,
            text_width=5,
            pooled_width=6,
        ),
        (1, 2, 2),
        ("double_blocks.0", "double_blocks.1", "single_blocks.0"),
        ("double_blocks.0", "double_blocks.1", "single_blocks.0"),
    ),
    "stiv": Case(
        STIVConfig(
            layers=2,
            whole_layers=1,
            heads=2,
            head_width=12,
            channels=4,
            text_width=5,
            pooled_width=6,
        ),
        (2, 2, 2),
        ("blocks.0", "blocks.1", "whole_blocks.0"),
        ("blocks.0", "blocks.1", "whole_blocks.0"),
    ),
}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def shaken(module: nn.Module) -> nn.Module:
    """A module in which nothing is zero, so that everything has an influence."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.1)
    return module.eval()


def condition(inside: Inside | None = None) -> Condition:
    facts = {"fps": 24.0, "height": 32.0, "width": 48.0}
    facts |= {"crop_top": 0.0, "crop_left": 0.0, "stride": 1.0}
    return Condition(
        TextEmbedding(random(2, 3, 5, seed=1), pooled=random(2, 6, seed=2)),
        facts={name: torch.full((2,), value) for name, value in facts.items()},
        inside=inside or Inside(),
    )


def signal(seed: int = 3, frames: tuple[int, ...] = tuple(range(9))) -> Given:
    """A picture in some of the nine frames."""
    strength = torch.zeros(2, 1, 9, 32, 48)
    strength[:, :, list(frames)] = 1.0
    return Given(random(2, 3, 9, 32, 48, seed=seed).clamp(-1, 1), strength)


def small(patch: tuple[int, int, int] = (1, 2, 2)) -> Structure:
    torch.manual_seed(1)
    return replace(SMALL, patch=patch).build().eval()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@torch.no_grad()
def test_before_it_has_learned_the_denoiser_says_exactly_what_it_says_alone(case):
    model, controller, x = shaken(case.config.build()), small(case.patch), random(2, 4, *SIZE)
    steered = controller.control(condition(), signal())
    assert len(steered.inside.features) == 3
    assert torch.equal(model(x, TIME, steered), model(x, TIME, condition()))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@torch.no_grad()
def test_a_learned_controller_steers_its_own_sample_and_no_other(case):
    model, controller, x = shaken(case.config.build()), small(case.patch), random(2, 4, *SIZE)
    shaken(controller)
    one, other = signal(3), signal(4)
    other.frames[1] = one.frames[1]
    found = [model(x, TIME, controller.control(condition(), each)) for each in (one, other)]
    assert (found[0][0] - found[1][0]).abs().max() > 1e-4
    torch.testing.assert_close(found[0][1], found[1][1])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@torch.no_grad()
def test_feature_j_is_added_to_the_output_of_block_j(case):
    model, x, seen = shaken(case.config.build()), random(2, 4, *SIZE), {}
    words = 3 if case.config.kind == "mmdit" else 0

    def note(key: tuple[int, str], values: tuple[object, ...]) -> None:
        """Text and video tokens come apart or as one; the video's stand behind the text's."""
        parts = [one for one in values[:2] if isinstance(one, Tensor)]
        seen[key] = torch.cat(parts, 1)[:, words:]

    for j in range(2):
        ended, started = (model.get_submodule(n) for n in (case.ends[j], case.starts[j + 1]))
        ended.register_forward_hook(
            lambda _, __, y, j=j: note((j, "ended"), y if isinstance(y, tuple) else (y,))
        )
        started.register_forward_pre_hook(lambda _, given, j=j: note((j, "started"), given))
    count = -(-SIZE[0] // case.patch[0]) * 6
    features = tuple(random(2, count, 24, seed=10 + j) for j in range(3))
    first = model(x, TIME, condition(Inside(features=features)))
    for j in range(2):
        torch.testing.assert_close(seen[j, "started"], seen[j, "ended"] + features[j])
    last = condition(Inside(features=(*features[:2], 2 * features[2])))
    assert not torch.allclose(first, model(x, TIME, last))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_controller_for_another_number_of_blocks_is_refused(case):
    inside = Inside(features=(torch.zeros(2, 1, 24),) * 4)
    with pytest.raises(ConfigError, match="4 features: expected 3"):
        case.config.build()(random(2, 4, *SIZE), TIME, condition(inside))


@pytest.mark.parametrize("name", ["ltx", "stiv"])
@torch.no_grad()
def test_features_of_dropped_tokens_are_dropped_with_them(name):
    case = CASES[name]
    model, x = shaken(case.config.build()), random(2, 4, *SIZE)
    count = 12 if name == "stiv" else 18
    sites = torch.tensor([0, 2, 3, 5])
    keep = torch.cat([sites + 6 * frame for frame in range(count // 6)]).expand(2, -1)
    features = [random(2, count, 24, seed=j) for j in range(3)]

    def run(seen: list[Tensor]) -> Tensor:
        told = replace(condition(Inside(features=tuple(seen))), layout=Layout(keep=keep))
        return model(x, TIME, told)

    dropped = torch.ones(2, count, 1).scatter(1, keep[..., None], 0.0)
    changed = [features[0] + dropped, features[1] + dropped, features[2]]
    torch.testing.assert_close(run(changed), run(features))
    assert not torch.allclose(run([1.0 + one for one in features]), run(features))


@torch.no_grad()
def test_a_stack_of_conditions_makes_what_they_share_once_and_in_its_turn():
    made: list[int] = []

    def make(number: int) -> Tensor:
        made.append(number)
        return torch.full((1, 2, 3), float(number))

    one, other = OnDemand(make, range(3)), OnDemand(lambda number: make(number + 5), range(3))
    conditions = [condition(Inside(features=each)) for each in (one, other, one)]
    stacked = conditions[0].stack(*conditions[1:]).inside.features
    assert len(stacked) == 3
    assert made == []
    assert stacked[2][:, 0, 0].tolist() == [2.0, 7.0, 2.0]
    assert made == [2, 7]
    assert [each[0, 0, 0].item() for each in stacked[1:]] == [1.0, 2.0]


@torch.no_grad()
def test_only_frames_that_carry_a_signal_are_seen():
    controller = shaken(small())
    some = signal(3, frames=(0, 4))
    unseen = torch.where(some.strength > 0, some.frames, 9.0)
    here = controller(some)
    for one, other in zip(here, controller(Given(unseen, some.strength)), strict=True):
        assert torch.equal(one, other)
    black = Given(some.frames * some.strength, torch.ones_like(some.strength))
    assert not torch.allclose(here[0], controller(black)[0])  # black is a signal, absence is not
    assert not torch.allclose(here[0], controller(signal(3, frames=(0,)))[0])


@pytest.mark.parametrize(
    ("scales", "pixels", "tokens"),
    [
        ((4, 8), (93, 32, 48), 24 * 2 * 3),
        ((8, 32), (17, 64, 96), 3 * 1 * 2),
        ((4, 8), (1, 32, 32), 4),
    ],
)
@torch.no_grad()
def test_a_signal_of_pixels_becomes_as_many_tokens_as_its_latents(scales, pixels, tokens):
    config = replace(SMALL, temporal_scale=scales[0], spatial_scale=scales[1])
    strength = torch.ones(1, 1, *pixels)
    features = config.build()(Given(torch.zeros(1, 3, *pixels), strength))
    assert [feature.shape for feature in features] == [(1, tokens, 24)] * 3


def test_the_projectors_learn_first_and_then_the_encoder():
    controller = small()
    step = torch.optim.SGD(controller.parameters(), lr=0.1)
    for index in range(2):
        step.zero_grad()
        sum((one - 1.0).square().mean() for one in controller(signal())).backward()
        assert all(one.weight.grad.any() for one in controller.projectors)
        assert bool(controller.conv_in.weight.grad.any()) == (index == 1)
        step.step()


def test_it_is_a_small_part_of_the_published_model():
    with torch.device("meta"):
        sizes = [
            sum(one.numel() for one in config.build().parameters())
            for config in (StructureConfig(), SkiparseConfig())
        ]
    assert sizes[0] / sizes[1] < 0.12  # a copy of half of the model is nearly 0.5


def test_text_before_the_video_gets_no_feature():
    x, feature = random(2, 5, 4), random(2, 3, 4, seed=1)
    found = added(x, feature, words=2)
    assert torch.equal(found[:, :2], x[:, :2])
    assert torch.equal(found[:, 2:], x[:, 2:] + feature)
    assert added(x, None) is x
    assert per_block((), 2) == (None, None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"spatial_scale": 12}, "nearest: 8"),
        ({"temporal_scale": 16}, "nearest: 8"),
        ({"heads": 5}, "24 in 5 heads"),
        ({"heads": 6}, "6 or more"),
    ],
)
def test_what_cannot_be_built_is_said(wrong, said):
    with pytest.raises(ConfigError, match=said):
        replace(SMALL, **wrong)


@pytest.mark.parametrize(("tokens", "width"), [(5, 24), (6, 20)])
def test_features_of_other_sizes_are_refused(tokens, width):
    with pytest.raises(
        ConfigError, match=f"features of {tokens} tokens and width {width}: expected 6"
    ):
        added(torch.zeros(2, 9, 24), torch.zeros(2, tokens, width), words=3)
