"""A seed is a clip: always the same one, never a held-out one, within its scene's time."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kineograph.recipes.stages import Clips
from kineograph.toybox.render import Rendered
from kineograph.toybox.world import combination_held_out, sample_scene
from kineograph.training import clips as module
from kineograph.training.clips import draw

SMALL = Clips(frames=3, size=16)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Nothing is rendered; the moments that should be are noted."""
    seen: list[Tensor] = []

    def blank(scenes: object, times: Tensor, size: tuple[int, int], device: str) -> Rendered:
        seen.append(times)
        return Rendered(torch.zeros(1, len(times), *size, 3), torch.zeros(1, len(times), *size))

    monkeypatch.setattr(module, "render", blank)
    return seen


def test_a_batch_has_the_shapes_and_ranges_that_training_expects() -> None:
    batch = draw(SMALL, range(2))
    assert batch.video.shape == (2, 3, 3, 16, 16) and batch.mask.shape == (2, 1, 3, 16, 16)
    assert batch.video.dtype == torch.float32 and -1 <= batch.video.min() < batch.video.max() <= 1
    assert set(batch.mask.flatten().tolist()) == {0.0, 1.0}
    assert batch.scenes == (sample_scene(1, 0), sample_scene(1, 1))


def test_the_same_seed_is_the_same_clip_in_any_batch() -> None:
    one, other = draw(SMALL, range(3, 6)), draw(SMALL, range(5, 6))
    assert torch.equal(one.video[2], other.video[0]) and torch.equal(one.mask[2], other.mask[0])
    assert not torch.equal(one.video[1], other.video[0])


def test_held_out_combinations_are_never_trained_on_and_alone_are_measured(
    asked: list[Tensor],
) -> None:
    def held(batch: module.Batch) -> set[bool]:
        return {
            combination_held_out(toy.shape, toy.colour, toy.motion)
            for scene in batch.scenes
            for toy in scene.toys
        }

    assert held(draw(SMALL, range(200))) == {False}
    assert held(draw(SMALL, range(200), held_out=True)) == {True}


@pytest.mark.parametrize("frames", [1, 5, 9, 17])
def test_clips_lie_inside_their_scenes_time(frames: int, asked: list[Tensor]) -> None:
    draw(replace(SMALL, frames=frames), range(80))
    times = torch.stack(asked)
    assert times.min() == 0 and times.max() <= 2.0
    assert torch.equal(times.diff(), torch.full_like(times.diff(), 1 / 8))
    begins = set(times[:, 0].tolist())
    assert (len(begins) > 5) == (frames in (5, 9)), "short clips begin anywhere, others at 0"


def test_in_a_clip_that_outlasts_its_scene_what_has_an_end_goes_back_and_forth(
    asked: list[Tensor],
) -> None:
    scenes = draw(replace(SMALL, frames=41), range(40)).scenes
    ways = {scene.toys[0].motion: times for scene, times in zip(scenes, asked, strict=True)}
    on = torch.arange(41) / 8
    there = torch.cat([on[:17], on[:16].flip(0), on[1:9]])
    assert torch.equal(ways["bounce"], on) and torch.equal(ways["still"], on)
    assert torch.allclose(ways["left"], there) and torch.allclose(ways["away"], there)


def test_a_long_clip_begins_as_the_short_one_of_its_seed() -> None:
    short, long = (draw(replace(SMALL, frames=frames, fps=4.0), range(2)) for frames in (9, 12))
    assert torch.equal(long.video[:, :, :9], short.video)
