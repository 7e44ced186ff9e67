"""Any clip is coded within a limit: the way is chosen before, and smaller where memory runs out."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kineograph.autoencoders import bounded
from kineograph.autoencoders.bounded import ROOMY, Bounded, Replay, decoding_bytes, fitting
from kineograph.autoencoders.causal_kl import CausalKLConfig
from kineograph.autoencoders.deep_compression import DeepCompressionConfig, DeepLevels
from kineograph.autoencoders.denoising import DenoisingConfig
from kineograph.autoencoders.denoising_stages import Attended, Folded, Residuals, Unfolded
from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.autoencoders.pieces import WHOLE, Pieces
from kineograph.autoencoders.stacked import StackedConfig
from kineograph.autoencoders.time_kl import TimeKLConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.errors import ConfigError
from kineograph.types import seeded

IMAGE = ImageKLConfig(widths=(8, 8), blocks=1, groups=2)
WAVELET = WaveletFlowConfig(
    latent_channels=4,
    base=8,
    encoder_blocks=1,
    decoder_blocks=1,
    connect_blocks=1,
    encoder_energy=4,
    decoder_energy=4,
)
DENOISING = DenoisingConfig(
    latent_channels=4,
    patch=2,
    encoder_base=8,
    encoder=(Residuals(blocks=1), Folded(channels=16)),
    decoder_base=16,
    decoder=(Residuals(blocks=1, noise=True), Unfolded(channels=8, straight=True)),
)
LEVELS = DeepLevels(
    widths=(8, 8, 32), depths=(1, 1, 1), reaches=(None, None, (3,)), halves=(True, True)
)
KINDS = {
    "wavelet_flow": WAVELET,
    "wavelet_flow, group norms": replace(
        WAVELET, base=32, encoder_energy=32, decoder_energy=32, norm="group"
    ),
    "denoising": DENOISING,
    "denoising, attention": replace(
        DENOISING, decoder=(Attended(blocks=1, head_width=8), *DENOISING.decoder[1:])
    ),
    "image_kl": IMAGE,
    "stacked": StackedConfig(
        image=IMAGE,
        time=TimeKLConfig(base=8, factors=(1, 1, 1), halves=(True, True), blocks=1, groups=2),
    ),
    "causal_kl": CausalKLConfig(
        latent_channels=4, widths=(8, 8, 8), blocks=1, groups=2, time=4, space=4
    ),
    "deep_compression": DeepCompressionConfig(latent_channels=4, encoder=LEVELS, decoder=LEVELS),
}
BOUNDS = {
    "wavelet_flow": 0.65,
    "wavelet_flow, group norms": 0.85,
    "denoising": 0.1,
    "denoising, attention": 0.1,
    "image_kl": 0.3,
    "stacked": 0.25,
    "causal_kl": 0.3,
    "deep_compression": 0.2,
}
"""Mean error of a frame in tiles of 64 pixels, in standard deviations, for random weights."""
EXACT = ["wavelet_flow", "denoising", "image_kl", "stacked"]
"""Kinds that lose nothing where time is cut."""


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


def build(name: str):
    torch.manual_seed(0)
    return KINDS[name].build().eval()


def clip(frames: int, height: int = 32, width: int = 32) -> Tensor:
    """A smooth picture that moves."""
    t, y, x = torch.meshgrid(*(torch.arange(n) / 8 for n in (frames, height, width)), indexing="ij")
    return torch.stack([torch.sin(x + t), torch.cos(y - t), torch.sin(x * y / 4)])[None]


def legal(model, frames: int, height: int = 32, width: int = 32) -> Tensor:
    near = model.nearest(frames, height, width)
    return clip(near.frames, near.height, near.width)


@pytest.mark.parametrize("name", EXACT)
def test_cutting_time_changes_nothing(name):
    model = build(name)
    video = legal(model, 41)
    latents = model.encode(video)
    pixels = model.decode(latents, video.shape[2], seeded([1]))
    lengths = [way for way in model.pieces() if way.space is None and way.frames]
    for way in (lengths[-1], lengths[-2]):
        piece = model.cut(way)
        assert (piece.encode(video) - latents).abs().max() <= 1e-5
        assert (piece.decode(latents, video.shape[2], seeded([1])) - pixels).abs().max() <= 1e-5


@pytest.mark.parametrize("name", KINDS)
def test_tiles_stay_within_a_bound_and_have_no_seam(name):
    model = build(name)
    video = legal(model, 9, 96, 80)
    latents = model.encode(video)
    whole = model.decode(latents, video.shape[2])
    tiled = model.cut(Pieces(space=64)).decode(latents, video.shape[2])
    assert tiled.shape == whole.shape
    assert (tiled - whole).abs().mean() <= BOUNDS[name] * whole.std()
    cell = video.shape[3] // latents.shape[3]
    # Random weights make a step wherever two latents meet: elsewhere is another such place.
    assert seam(tiled, cell) <= 1.1 * max(1.0, seam(whole, cell))


def seam(video: Tensor, cell: int) -> float:
    """The steps between rows where tiles of 64 begin or end, in steps of other latents' ends."""
    steps = video.diff(dim=3).abs().mean(dim=(0, 1, 2, 4))
    ends = range(cell - 1, len(steps), cell)
    borders = [row for row in ends if (row + 1) % 48 in (0, 16) and row >= 47]
    others = [row for row in ends if row not in borders]
    assert borders
    return float(steps[borders].mean() / steps[others].mean())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [(1, 16, 16), (6, 19, 33)])
def test_any_clip_comes_back_in_its_size(name, size):
    model = Bounded(build(name), 1 << 40, lambda words: None)
    assert model.reconstruct(clip(*size)).shape == (1, 3, *size)


@pytest.mark.parametrize("name", KINDS)
def test_smaller_pieces_need_less(name):
    model = build(name)
    video = legal(model, 33, 160, 160)
    latents = (1, *model.latent_shape(*video.shape[2:]))
    needs = [decoding_bytes(KINDS[name], way, latents) for way in (WHOLE, Pieces(16, 64))]
    assert needs[1] < needs[0]


@pytest.mark.parametrize("name", KINDS)
def test_plenty_is_more_than_any_kind_takes(name):
    model = build(name)
    video = legal(model, 17, 64, 64)
    latents = (1, *model.latent_shape(*video.shape[2:]))
    assert decoding_bytes(KINDS[name], WHOLE, latents) < ROOMY * video[0, 0].numel() / 4


def test_a_small_clip_in_plenty_of_memory_is_coded_without_a_plan(monkeypatch):
    monkeypatch.setattr(bounded, "measure", None)
    model = Bounded(build("wavelet_flow"), 1 << 40, lambda words: None)
    assert model.reconstruct(clip(5, 16, 16)).shape == (1, 3, 5, 16, 16)


def test_the_first_way_that_fits_is_taken():
    ways = [Pieces(n, side) for side in (None, 256) for n in (None, 16, 4)]
    needs = dict(zip(ways, (9, 7, 5, 4, 3, 2), strict=True))
    assert [fitting(ways, needs.__getitem__, limit) for limit in (9, 8, 5, 4, 2, 1)] == [
        0,
        1,
        2,
        3,
        5,
        5,
    ]


def test_a_limit_cuts_the_clip_and_says_so():
    model, said = build("wavelet_flow"), []
    video = legal(model, 33, 32, 32)
    latents = model.encode(video)
    shape = tuple(latents.shape)
    limit = decoding_bytes(WAVELET, WHOLE, shape) - 1
    found = Bounded(model, limit, said.append).decode(latents, 33)
    assert (found - model.decode(latents)).abs().max() <= 1e-5
    assert len(said) == 1 and "frames at once" in said[0]
    quiet: list[str] = []
    Bounded(model, limit + 1, quiet.append).decode(latents, 33)
    assert quiet == []


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("device"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_it_goes_on_smaller_where_memory_runs_out(error, monkeypatch):
    model, said, seen = build("denoising"), [], []
    latents = model.encode(legal(model, 17))
    forward = model.decoder.forward

    def fail(x, moment):
        seen.append(x.shape[2])
        if x.shape[2] > 4:
            raise error
        return forward(x, moment)

    whole = model.decode(latents, draws=seeded([5]))
    monkeypatch.setattr(model.decoder, "forward", fail)
    found = Bounded(model, 1 << 40, said.append).decode(latents, draws=seeded([5]))
    assert (found - whole).abs().max() <= 1e-5
    assert max(seen) > 4 and said


def test_other_errors_are_not_hidden():
    model = build("denoising")
    with pytest.raises(ConfigError, match="latent frames give"):
        Bounded(model, 1 << 40, print).decode(torch.zeros(1, 4, 2, 4, 4), frames=77)


def test_the_smallest_pieces_that_do_not_fit_are_an_error(monkeypatch):
    model = build("image_kl")

    def fail(x):
        raise MemoryError

    monkeypatch.setattr(model.decoder, "forward", fail)
    with pytest.raises(ConfigError, match="smallest pieces"):
        Bounded(model, 1 << 40, lambda words: None).decode(torch.zeros(1, 4, 1, 4, 4))


def test_a_second_attempt_draws_what_the_first_one_drew():
    draws = Replay(seeded([0]))
    first = [draws((1, 2)), draws((1, 3))]
    draws.rewind()
    assert torch.equal(draws((1, 2)), first[0]) and draws((1, 4)).shape == (1, 4)


def test_memory_goes_back_while_a_large_clip_is_coded(monkeypatch):
    entered = []

    @contextmanager
    def noted():
        entered.append(True)
        yield

    monkeypatch.setattr(bounded, "given_back", noted)
    model = build("image_kl")
    latents = torch.zeros(1, 4, 1, 4, 4)
    Bounded(model, 1 << 40, print).decode(latents)
    assert not entered  # small ones are quicker with a heap that keeps
    monkeypatch.setattr(bounded, "LARGE", 0)
    monkeypatch.setattr(bounded, "SMALL", 0)
    Bounded(model, 1 << 40, print).decode(latents)
    assert entered == [True]
