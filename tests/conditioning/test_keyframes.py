"""Key frames stand where they are given, wait for their time, and leave no trace behind."""

from typing import Literal

import pytest
import torch
from torch import Tensor

from kineograph.conditioning.injections import HeldFrames
from kineograph.conditioning.keyframes import Clean, Item, KeyFrames, Renoised
from kineograph.diffusion.guidance import Off
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.samplers import Euler
from kineograph.diffusion.sampling import Look, sample
from kineograph.errors import ConfigError
from kineograph.types import Condition, Draws, Given, Known, Step, TextEmbedding, replayed, seeded

LIKE = torch.zeros(2, 3, 6, 2, 2)  # of 41 frames of 4 x 4 pixels
KEYS = KeyFrames()


class Marked:
    """A stand-in autoencoder: a latent frame is the mean of its first pixel frame."""

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        return (3, 1 + (frames - 1) // 8, height // 2, width // 2)

    def encode(self, video: Tensor, draws: Draws | None = None) -> Tensor:
        first = [0, *range(1, video.shape[2], 8)]
        return video[:, :, first, ::2, ::2]


def pixels(frames: int, value: float = 1.0) -> Tensor:
    """Frames that are value, value + 1, ..., one after the other."""
    counted = value + torch.arange(frames).view(1, 1, -1, 1, 1)
    return counted.expand(2, 3, -1, 4, 4)


def place(*items: Item, keys: KeyFrames = KEYS, draws: Draws | None = None) -> Known:
    return keys.place(items, LIKE, Marked().encode, draws)


def first_cells(x: Tensor) -> list[float]:
    return x[0, 0, :, 0, 0].tolist()


def test_what_is_given_at_the_start_stands_in_the_videos_own_frames():
    known = place(Item(pixels(9), 0, 0.8))
    assert known.when is None
    assert first_cells(known.latents) == [1, 2, 0, 0, 0, 0]
    assert first_cells(known.strength) == pytest.approx([0.8, 0.8, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("causal", "own"), [(True, [0, 1, 9, 17, 25, 33]), (False, range(0, 48, 8))]
)
def test_a_later_picture_is_an_extra_frame_in_front_at_its_own_place(causal, own):
    known = place(Item(pixels(1, 5.0), 37, 1.0), keys=KeyFrames(causal=causal))
    assert known.when.tolist() == [[37, *own]] * 2
    assert first_cells(known.latents) == [5, 0, 0, 0, 0, 0, 0]
    assert first_cells(known.strength) == [1, 0, 0, 0, 0, 0, 0]


def test_of_a_later_clip_only_the_first_two_latent_frames_are_extra():
    known = place(Item(pixels(25), 8, 1.0))
    assert known.when[0].tolist() == [8, 9, 0, 1, 9, 17, 25, 33]
    assert first_cells(known.latents) == [1, 2, 0, 0, 0, 10, 18, 0]
    assert first_cells(known.strength) == [1, 1, 0, 0, 0, 1, 1, 0]


def test_extra_frames_stand_in_the_order_of_the_items():
    known = place(Item(pixels(1, 7.0), 40, 1.0), Item(pixels(1, 5.0), 16, 1.0))
    assert known.when[0, :2].tolist() == [40, 16]
    assert first_cells(known.latents)[:2] == [7, 5]


def test_soft_extra_frames_begin_as_noise_in_part():
    noise = torch.full((2, 3, 1, 2, 2), -1.0)
    known = place(Item(pixels(1, 5.0), 16, 0.75), draws=replayed([noise]))
    assert first_cells(known.latents)[0] == pytest.approx(0.75 * 5 - 0.25)
    with pytest.raises(ConfigError, match=r"strength 0.75 without draws"):
        place(Item(pixels(1), 16, 0.75))


@pytest.mark.parametrize(
    ("frames", "start", "message"),
    [(4, 0, "1 \\+ 8 k; nearest: 1"), (17, 12, "multiple of 8; nearest: 16")],
)
def test_clips_that_cannot_be_coded_there_are_refused(frames, start, message):
    with pytest.raises(ConfigError, match=message):
        place(Item(pixels(frames), start, 1.0))


def test_runs_of_one_strength_are_items():
    strength = torch.zeros(2, 1, 41, 4, 4)
    strength[:, :, 0] = 1.0
    strength[:, :, 16:25] = 0.5
    strength[:, :, 40] = 1.0
    draws = replayed([torch.zeros(2, 3, 2, 2, 2), torch.zeros(2, 3, 1, 2, 2)])
    known = KEYS.known(Given(pixels(41), strength), Marked(), draws)
    assert known.when[0, :3].tolist() == [16, 17, 40]
    assert first_cells(known.strength) == [0.5, 0.5, 1, 1, 0, 0, 0, 0, 0]
    assert first_cells(known.latents)[2:4] == [41, 1]


def test_a_frame_given_in_parts_is_refused():
    strength = torch.zeros(2, 1, 41, 4, 4)
    strength[0, :, 5, 0] = 1.0
    with pytest.raises(ConfigError, match="frame 5 is given in parts"):
        KEYS.known(Given(pixels(41), strength), Marked(), None)


def test_leaving_takes_the_extra_frames_away_and_nothing_else():
    known = place(Item(pixels(25), 8, 1.0), Item(pixels(1), 40, 1.0))
    start = torch.randn(LIKE.shape, generator=torch.Generator().manual_seed(0))
    x, layout = KEYS.begin(start, known)
    assert x.shape[2] == 9 and layout.when is known.when
    own = KEYS.leave(x, known)
    free = known.strength[:, :, 3:] == 0
    assert torch.equal(torch.where(free, own, 0.0), torch.where(free, start, 0.0))
    assert KEYS.leave(start, None) is start


def test_places_survive_stacking_beside_a_branch_that_knows_nothing():
    known = place(Item(pixels(1), 40, 1.0))
    text = TextEmbedding(torch.zeros(2, 1, 1))
    stacked = Condition(text).stack(Condition(text, known))
    assert stacked.known.when.shape == (4, 7)
    assert (stacked.known.strength[:2] == 0).all()


def test_completely_given_cells_get_fresh_noise_that_fades_with_time():
    known = place(Item(pixels(1, 3.0), 0, 1.0))
    noise = torch.ones(LIKE.shape)
    at = torch.full((1, 1, 1, 1, 1), 0.5)
    keys = KeyFrames(entering=Renoised(scale=0.2))
    x = keys.enter(LIKE, Step(0, 1, at, at), known, replayed([noise]))
    assert first_cells(x) == pytest.approx([3.0 + 0.2 * 0.25, 0, 0, 0, 0, 0])
    soft = place(Item(pixels(1, 3.0), 0, 0.9))
    assert torch.equal(keys.enter(LIKE, Step(0, 1, at, at), soft, replayed([noise])), LIKE)
    assert keys.enter(LIKE, Step(0, 1, at, at), None, replayed([])) is LIKE


class Straight:
    """Flows to zero, and remembers the places that it was told."""

    clock: Literal["token"] = "token"

    def __init__(self) -> None:
        self.when: list[Tensor | None] = []

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        self.when.append(condition.layout.when)
        return x / time.clamp_min(1e-6)


def ended(keys: KeyFrames | HeldFrames, known: Known | None) -> tuple[Tensor, Straight]:
    denoiser = Straight()
    look = Look(
        denoiser=denoiser,
        process=Process(path=RectifiedFlow(), prediction=Velocity(), injection=keys),
        guidance=Off(),
        condition=Condition(TextEmbedding(torch.zeros(2, 1, 1)), known),
        empty=TextEmbedding(torch.zeros(2, 1, 1)),
    )
    times = torch.tensor([1.0, 0.6, 0.3, 0.0])
    start = seeded([1, 2])(tuple(LIKE.shape))
    return sample(look, Euler(), start, times, seeded([3, 4])), denoiser


def test_a_sample_has_the_videos_frames_and_the_denoiser_hears_their_places():
    known = place(Item(pixels(1), 0, 1.0), Item(pixels(25), 8, 1.0))
    found, denoiser = ended(KeyFrames(entering=Clean()), known)
    assert found.shape == LIKE.shape
    assert first_cells(found) == pytest.approx([1, 0, 0, 10, 18, 0], abs=1e-5)
    assert all(torch.equal(when, known.when) for when in denoiser.when)


def test_frames_at_the_start_are_held_frames():
    known = place(Item(pixels(9), 0, 0.5))
    ours, _ = ended(KeyFrames(), known)
    theirs, _ = ended(HeldFrames(), known)
    assert torch.equal(ours, theirs)
