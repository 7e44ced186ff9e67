"""Given frames are encoded alone, shown beside the noise, and put back at the end."""

import pytest
import torch

from kineograph.conditioning.channels import GivenChannels, GivenEnds, runs
from kineograph.errors import ConfigError
from kineograph.types import Given, Known, Legal, Step, seeded


class Means:
    """A causal stand-in: 4 frames to a latent one, whose values know the clip they came from."""

    def nearest(self, frames, height, width):
        return Legal(frames, height, width, "any")

    def latent_shape(self, frames, height, width):
        return (3, 1 + (frames - 1) // 4, height, width)

    def encode(self, video, draws=None):
        return video[:, :, ::4] + 10 * video.shape[2]


def given(*patterns):
    """One sample per pattern, e.g. `#...#`: which of its frames are given."""
    generator = torch.Generator().manual_seed(0)
    video = torch.rand(len(patterns), 3, len(patterns[0]), 2, 2, generator=generator)
    marks = torch.tensor([[float(mark == "#") for mark in pattern] for pattern in patterns])
    return Given(video, marks[:, None, :, None, None].expand(-1, 1, -1, 2, 2))


def mask(known):
    return ["".join(".#"[int(one)] for one in row) for row in known.strength[:, 0, :, 0, 0]]


def test_each_sample_has_its_own_ends():
    clip = given("#........", "........#", "#.......#", ".........")
    known = GivenChannels().known(clip, Means(), None)
    assert mask(known) == ["#..", "..#", "#.#", "..."]
    alone = clip.frames + 10.0
    assert torch.equal(known.latents[0, :, 0], alone[0, :, 0])
    assert torch.equal(known.latents[2, :, -1], alone[2, :, -1])
    assert not (known.latents * (1 - known.strength)).any()


def test_a_run_is_encoded_alone_or_cut_out_of_the_whole():
    clip = given("#####....")
    for cut, origin in ((False, 5), (True, 9)):
        known = GivenChannels(cut=cut).known(clip, Means(), None)
        assert mask(known) == ["##."]
        assert torch.equal(known.latents[0, :, :2], clip.frames[0, :, :5:4] + 10 * origin)
    tail = given("....#####")
    assert mask(GivenChannels().known(tail, Means(), None)) == [".##"]


def test_a_whole_clip_leads_and_an_image_is_not_its_own_condition():
    assert mask(GivenChannels().known(given("#####"), Means(), None)) == ["##"]
    assert mask(GivenChannels().known(given("#"), Means(), None)) == ["."]


def test_frames_amid_others_and_parts_of_frames_are_refused():
    with pytest.raises(ConfigError, match="sample 1 has 2 given frames amid others"):
        runs(given("#....", ".##..").strength)
    half = given("#....").strength.clone()
    half[..., 0] = 0.0
    with pytest.raises(ConfigError, match="each frame whole"):
        runs(half)
    with pytest.raises(ConfigError, match="each frame whole"):
        runs(given("#....").strength * 0.5)


def known(*patterns):
    clip = given(*patterns)
    return Known(clip.frames * clip.strength, clip.strength)


def test_nothing_happens_to_the_noise_on_the_way():
    injection, what = GivenChannels(), known("#....")
    x = torch.randn(1, 3, 5, 2, 2, generator=torch.Generator().manual_seed(1))
    step = Step(0, 1, torch.ones(1), torch.zeros(1))
    start, layout = injection.begin(x, what)
    assert start is x and layout.when is None
    assert injection.enter(x, step, what, seeded([0])) is x
    assert injection.times(step, what) is step
    assert injection.present(x, step, what) is x


@pytest.mark.parametrize(
    ("pasted", "rows"), [("all", [True, True]), ("first", [True, False]), ("none", [False, False])]
)
def test_single_given_frames_are_put_back(pasted, rows):
    what = known("#...#", "....#")
    x = torch.zeros_like(what.latents)
    left = GivenChannels(pasted=pasted).leave(x, what)
    for row, back in enumerate(rows):
        assert torch.equal(left[row], what.latents[row] if back else x[row])


def test_longer_runs_are_not_put_back():
    what = known("###..")
    x = torch.zeros_like(what.latents)
    assert torch.equal(GivenChannels().leave(x, what), x)
    assert GivenChannels().leave(x, None) is x


def test_the_ends_of_training_are_drawn_by_weight():
    latents = torch.ones(4000, 1, 3, 1, 1)
    drawn = GivenEnds()(latents, lambda shape: torch.randn(shape, generator=GENERATOR))
    shares = {
        pattern: mask(drawn).count(pattern) / 4000 for pattern in ("...", "#..", "#.#", "..#")
    }
    assert sum(shares.values()) == 1
    assert shares["#.."] == pytest.approx(5 / 8, abs=0.03)
    for pattern in ("...", "#.#", "..#"):
        assert shares[pattern] == pytest.approx(1 / 8, abs=0.03)
    assert torch.equal(drawn.latents, drawn.strength)


GENERATOR = torch.Generator().manual_seed(3)


def test_an_image_of_training_knows_nothing():
    images = torch.ones(8, 2, 1, 2, 2)
    assert not GivenEnds(neither=0.0)(images, seeded(range(8))).strength.any()
