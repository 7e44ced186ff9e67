"""A seed is a clip: always the same one, never a held-out one, within its scene's time."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kineograph.errors import ConfigError
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


@pytest.mark.parametrize(("frames", "fps"), [(33, 8.0), (10, 4.0)])
def test_clips_longer_than_their_scenes_are_refused(frames: int, fps: float) -> None:
    with pytest.raises(ConfigError, match="at most"):
        draw(Clips(frames=frames, fps=fps, size=16), range(1))
