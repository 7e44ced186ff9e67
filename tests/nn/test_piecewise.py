"""Pieces of a clip give what the whole clip gives, for every kernel, stride and border."""

from copy import deepcopy
from dataclasses import fields, replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from kineograph.nn import entrances, linear, piecewise
from kineograph.nn.borders import BorderedConv, Edges, Zeros
from kineograph.nn.cutting import Cut, Plain, Window, pieces
from kineograph.nn.entrances import GroupsThenSilu, LayerThenSilu, PointsThenSilu, Then
from kineograph.nn.kernels import Doubling
from kineograph.nn.piecewise import convolve, convolve_doubled, pointwise

ROOMS = {"whole": 1 << 20, "pieces": 1500, "smallest pieces": 1}


@pytest.fixture(autouse=True)
def _no_gradients():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.fixture(params=ROOMS.values(), ids=ROOMS)
def room(request, monkeypatch):
    monkeypatch.setattr(piecewise, "CPU_PIECE", request.param)
    monkeypatch.setattr(piecewise, "PRODUCTS", 256 * request.param)
    monkeypatch.setattr(entrances, "CPU_STEP", max(1, request.param // 8))


@pytest.fixture(params=[1, 1 << 30], ids=["fewer products", "plain"])
def _way(request, monkeypatch):
    """However few channels and points there are, all layers one way."""
    monkeypatch.setattr(piecewise, "NARROW", request.param)
    monkeypatch.setattr(piecewise, "ROUNDS", 0)
    monkeypatch.setattr(piecewise, "ENOUGH", 0)


def clip(channels: int = 4) -> Tensor:
    """Two clips that are no multiples of anything, channels last."""
    return torch.randn(2, channels, 5, 7, 6).to(memory_format=torch.channels_last_3d)


def around(x: Tensor, *, time: bool, plane: bool) -> Tensor:
    """Two frames before the clip, one row and column on each side: repeated, or zeros."""
    x = functional.pad(x, (1, 1, 1, 1, 0, 0), mode="replicate" if plane else "constant")
    return torch.cat((x[:, :, :1] * time, x[:, :, :1] * time, x), dim=2)


@pytest.mark.usefixtures("room", "_way")
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)], ids=str)
@pytest.mark.parametrize("repeat", [(True, True), (True, False), (False, False)], ids=str)
@pytest.mark.parametrize("outside", [3, 300], ids=["more points", "more weights"])
def test_pieces_are_the_whole(stride, repeat, outside):
    layer, x = nn.Conv3d(4, outside, 3, stride=stride), clip()
    window = Window((3, 3, 3), stride, (2, 1, 1), (0, 1, 1), repeat)
    expected = layer(around(x, time=repeat[0], plane=repeat[1]))
    found = convolve(x, layer, Plain(), window)
    assert torch.allclose(found, expected, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last_3d)
    onto = torch.randn_like(expected)
    added = onto + expected
    assert convolve(x, layer, Plain(), window, onto=onto) is onto
    assert torch.allclose(onto, added, atol=1e-5)


@pytest.mark.usefixtures("_way")
def test_weights_take_turns(monkeypatch):
    monkeypatch.setattr(piecewise, "WEIGHTS", 64 * 4 * 4 * 3)  # three of five output channels
    layer, x = nn.Conv3d(4, 5, 3), clip()
    window = Window((3, 3, 3), (1, 1, 1), (2, 1, 1), (0, 1, 1))
    expected = layer(around(x, time=True, plane=True))
    assert torch.allclose(convolve(x, layer, Plain(), window), expected, atol=1e-5)


@pytest.mark.usefixtures("room", "_way")
@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 3, 3)], ids=str)
def test_a_frame_by_itself_is_the_whole_too(kernel):
    layer, x = nn.Conv3d(4, 3, kernel), clip()
    window = Window(kernel, (1, 1, 1), (kernel[0] - 1, 1, 1), (0, 1, 1), (True, False))
    for frames in (1, 2):
        part = x[:, :, :frames]
        expected = layer(around(part, time=True, plane=False)[:, :, 3 - kernel[0] :])
        assert torch.allclose(convolve(part, layer, Plain(), window), expected, atol=1e-5)


@pytest.mark.usefixtures("room", "_way")
@pytest.mark.parametrize("plane", [True, False])
@pytest.mark.parametrize("time", [True, False])
def test_a_doubled_clip_is_not_made(time, plane):
    layer, x = nn.Conv3d(4, 3, 3), clip()
    larger = x.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
    if time:
        larger = larger.repeat_interleave(2, dim=2)[:, :, 1:]
    expected = layer(around(larger, time=True, plane=plane))
    found = convolve_doubled(x, layer, Doubling(time=time), repeat=(True, plane))
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.usefixtures("room", "_way")
@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("repeat", [True, False])
@pytest.mark.parametrize("time", [True, False])
def test_nor_is_one_that_looks_ahead(time, repeat, frames):
    layer, x = nn.Conv3d(4, 3, 3), clip()[:, :, :frames]
    larger = x.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
    if time:
        larger = larger.repeat_interleave(2, dim=2)
    mode = "replicate" if repeat else "constant"
    expected = layer(functional.pad(larger, (1,) * 6, mode=mode))
    doubling = Doubling(time=time, ahead=True)
    found = convolve_doubled(x, layer, doubling, repeat=(repeat, repeat))
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-5)


def doubled(entrance):
    """The same in double precision: in single precision a mean of 100 blurs the whole clip too."""
    changes = {
        field.name: deepcopy(getattr(entrance, field.name)).double()
        for field in fields(entrance)
        if isinstance(getattr(entrance, field.name), nn.Module | Tensor)
    }
    return replace(entrance, **changes)


def entrances_of(channels: int) -> dict[str, object]:
    groups, layer = nn.GroupNorm(2, channels), nn.LayerNorm(channels)
    for norm in (groups, layer):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    rows = torch.randn(2, 2, channels)
    return {
        "nothing but SiLU": Then(functional.silu),
        "groups": GroupsThenSilu(groups),
        "layer": LayerThenSilu(layer),
        "points": PointsThenSilu(),
        "points, rows for each": PointsThenSilu(rows),
        "points, rows for all": PointsThenSilu(rows[:1]),
    }


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("name", list(entrances_of(4)))
def test_an_entrance_is_the_same_in_pieces(name):
    entrance, x = entrances_of(4)[name], clip() * 3 + 100
    conv = BorderedConv(4, 5, 3, border=Edges())
    found = conv.after(entrance, x)
    exact = deepcopy(conv).double()
    whole = exact.forward(doubled(entrance)(x.double()))
    assert torch.allclose(found, whole.float(), atol=3e-5)


@pytest.mark.parametrize("name", list(entrances_of(4)))
def test_an_entrance_leaves_what_it_reads(name):
    entrance, x = entrances_of(4)[name], clip()
    before = x.clone()
    for dtype in (torch.float32, torch.bfloat16):
        points = x[0].movedim(0, -1)
        entrance.measured(points, 0)(points, torch.empty_like(points, dtype=dtype))
        assert torch.equal(x, before)


@pytest.mark.parametrize("name", list(entrances_of(4)))
def test_half_precision_is_normalised_in_full(name):
    entrance, x = entrances_of(4)[name], clip().bfloat16()
    expected = entrance(x.float())
    for index in range(2):
        points = x[index].movedim(0, -1)
        out = torch.empty_like(points)
        entrance.measured(points, index)(points, out)
        assert torch.allclose(out.float(), expected[index].movedim(0, -1), rtol=0.01, atol=0.01)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("outside", [3, 300], ids=["more points", "more weights"])
@pytest.mark.parametrize("stride", [1, 2])
def test_half_precision_without_units_is_multiplied_in_single(monkeypatch, stride, outside):
    monkeypatch.setattr(linear, "bfloat16_units", lambda: False)
    layer, x = nn.Conv3d(4, outside, 3, stride=stride).bfloat16(), clip().bfloat16()
    window = Window((3, 3, 3), (stride,) * 3, (2, 1, 1), (0, 1, 1))
    runs = [lambda x, layer: convolve(x, layer, Plain(), window)]
    if stride == 1:
        twice, both = Doubling(time=True), (True, True)
        runs.append(lambda x, layer: convolve_doubled(x, layer, twice, both))
    for run in runs:
        found, exact = run(x, layer), run(x.float(), deepcopy(layer).float())
        assert found.dtype == torch.bfloat16
        assert torch.equal(found, exact.bfloat16())


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("outside", [3, 300], ids=["more points", "more weights"])
@pytest.mark.parametrize("stride", [1, 2])
def test_autocast_multiplies_in_what_it_says(stride, outside):
    layer, x = nn.Conv3d(4, outside, 3, stride=stride), clip()
    window = Window((3, 3, 3), (stride,) * 3, (2, 1, 1), (0, 1, 1))
    runs = [lambda: convolve(x, layer, Plain(), window)]
    if stride == 1:
        runs.append(lambda: convolve_doubled(x, layer, Doubling(time=True), (True, True)))
    for run in runs:
        exact = run()
        with torch.autocast("cpu", torch.bfloat16):
            found = run()
        assert found.dtype == torch.float32 and not torch.equal(found, exact)
        assert torch.allclose(found, exact, rtol=0.02, atol=0.02)


def test_a_point_wide_kernel_in_half_precision_is_single_too(monkeypatch):
    monkeypatch.setattr(linear, "bfloat16_units", lambda: False)
    layer, x = nn.Conv3d(4, 3, 1).bfloat16(), clip().bfloat16()
    exact = pointwise(x.float(), deepcopy(layer).float())
    assert torch.equal(pointwise(x, layer), exact.bfloat16())


BORDERS = [Zeros(), Edges(), Zeros(ahead=True), Edges(ahead=True)]


@pytest.mark.parametrize("border", BORDERS, ids=str)
@pytest.mark.parametrize("stride", [(1, 1, 1), (2, 1, 1)], ids=str)
def test_a_border_is_the_same_in_pieces(border, stride):
    conv, x = BorderedConv(4, 3, 3, border=border, stride=stride), clip()
    found = conv(x)
    with torch.enable_grad():
        assert torch.allclose(found, conv(x), atol=1e-5)


@pytest.mark.parametrize("border", BORDERS, ids=str)
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2)], ids=str)
def test_a_picture_needs_a_kernel_in_the_plane_only(border, stride):
    conv, x = BorderedConv(4, 3, 3, border=border, stride=stride), clip()[:, :, :1]
    with torch.enable_grad():
        expected = conv(x)
    with FlopCounterMode(display=False) as count:
        found = conv(x)
    assert torch.allclose(found, expected, atol=1e-5)
    if stride == (1, 1, 1):
        assert count.get_total_flops() <= 2 * expected.numel() * 4 * 9


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("time", [True, False])
def test_a_doubled_clip_of_a_few_points_is_made(time, ahead, frames):
    layer, x = nn.Conv3d(4, 3, 3), clip()[:, :, :frames, :2, :2]
    doubling = Doubling(time=time, ahead=ahead)
    found = convolve_doubled(x, layer, doubling, repeat=(True, True))
    border = Edges(ahead=ahead)
    larger = doubling.larger(x)
    assert larger.shape[2:] == (doubling.frames(frames), 4, 4)
    expected = layer(border.around(larger, (3, 3, 3), (1, 1, 1)))
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_clip_that_torch_takes_for_small_goes_to_onednn():
    layer, x = nn.Conv3d(4, 6, 3), clip()
    with torch.profiler.profile() as seen:
        convolve(x, layer, Plain(), Window((3, 3, 3)))
    names = [event.key for event in seen.key_averages()]
    assert not [name for name in names if "slow_conv" in name]


def test_a_point_wide_kernel_is_a_product():
    layer, x = nn.Conv3d(4, 3, 1), clip()
    assert torch.allclose(pointwise(x, layer), layer(x), atol=1e-6)


def test_a_piece_holds_no_more_than_its_room():
    window = Window((3, 3, 3), (1, 1, 1), (2, 1, 1), (0, 1, 1))
    found = [
        (one.frames.stop - one.frames.start) * (one.rows.stop - one.rows.start)
        for one in pieces(clip(), Plain(), window, Cut(12 * 6, torch.float32))  # 12 rows of 6
    ]
    assert max(found) <= 12
    assert sum(found) == 2 * 5 * 7


def test_nothing_of_the_clip_changes():
    x = clip()
    before = x.clone()
    run = partial(convolve, x, nn.Conv3d(4, 4, 3), PointsThenSilu())
    run(Window((3, 3, 3), (1, 1, 1), (2, 1, 1), (0, 1, 1)))
    assert torch.equal(x, before)
