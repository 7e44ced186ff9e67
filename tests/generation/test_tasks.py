"""All tasks from one set of weights: what is given stays, what is free is made."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kineograph.conditioning.filling import Filled
from kineograph.conditioning.injections import HeldFrames
from kineograph.errors import ConfigError
from kineograph.generation.draft import Draft
from kineograph.generation.events import Event
from kineograph.generation.generator import Generator
from kineograph.generation.request import Request, shape
from kineograph.generation.wishes import Wish
from kineograph.media.encode import write_video
from kineograph.media.resize import to_unit

CLIP = torch.randint(0, 256, (13, 16, 16, 3), generator=torch.Generator().manual_seed(0)).byte()


@pytest.fixture
def tasks(generator: Generator) -> Generator:
    """The tiny model, which fills in latent frames that are given in part."""
    recipe = replace(generator.parts.recipe, injection=HeldFrames(filling=Filled()))
    return replace(generator, parts=replace(generator.parts, recipe=recipe))


def draft(generator: Generator, notes: list[Event] | None = None, **wishes: object) -> Draft:
    watch = (lambda event: None) if notes is None else notes.append
    return generator.drafts(["a red ball"], Request(**wishes), watch)[0]


@torch.inference_mode()
def coded(generator: Generator, frames: Tensor) -> Tensor:
    """Latents (C, F, H, W) of frames (T, Y, X, 3)."""
    return generator.parts.autoencoder.encode(to_unit(frames).contiguous())[0]


def shaped(generator: Generator, **wishes: object) -> int:
    parts = generator.parts
    return shape(Request(**wishes), parts.recipe.sampling, parts.autoencoder).frames


def test_a_continuation_begins_with_the_video_and_goes_on(tasks):
    found = draft(tasks, video=CLIP[:5], frames=9)
    assert torch.equal(found.latents[:, :2], coded(tasks, CLIP[:5]))
    assert found.info.frames == 9 and found.info.inputs[0].role == "video"


def test_of_a_video_of_an_illegal_length_the_end_is_kept_and_it_is_said(tasks):
    events: list[Event] = []
    found = draft(tasks, events, video=CLIP[:7], frames=9)
    assert torch.equal(found.latents[:, :2], coded(tasks, CLIP[2:7]))
    assert "2 of the video's 7 frames do not fit in" in [event.note for event in events]


def test_a_continuation_without_a_length_is_longer_than_its_beginning(tasks):
    assert shaped(tasks, video=CLIP[:5]) == 9
    assert shaped(tasks, video=CLIP) == 17


def test_a_long_continuation_leaves_the_beginning_alone(tasks):
    found = draft(tasks, video=CLIP, frames=21)
    assert torch.equal(found.latents[:, :4], coded(tasks, CLIP))
    assert found.latents.shape[1] == 6 and found.latents.isfinite().all()


def test_a_transition_keeps_its_ends_and_frees_the_frames_beside_them(tasks):
    stages: list[Event] = []
    first, last = CLIP[0], CLIP[1]
    found = draft(tasks, stages, image=first, last_image=last)
    torch.testing.assert_close(found.latents[:, 0], coded(tasks, CLIP[:1])[:, 0])
    assert "settle" in [event.stage for event in stages]
    other = draft(tasks, image=first, last_image=CLIP[2])
    assert (found.latents[:, -1] - other.latents[:, -1]).abs().max() > 1e-3


def test_key_frames_may_lie_anywhere(tasks):
    free, held = draft(tasks), draft(tasks, at={0: CLIP[0], 6: CLIP[1]})
    torch.testing.assert_close(held.latents[:, 0], coded(tasks, CLIP[:1])[:, 0])
    assert not torch.equal(free.latents[:, 2], held.latents[:, 2])
    assert [source.role for source in held.info.inputs] == ["at 0", "at 6"]


def test_interpolation_doubles_the_frames(tasks):
    assert shaped(tasks, video=CLIP[:5], task="interpolate") == 9
    found = draft(tasks, video=CLIP[:5], task="interpolate")
    assert found.info.frames == 9 and found.info.task == "interpolate"


def test_a_given_video_keeps_its_own_speed(tmp_path):
    write_video(tmp_path / "v.mp4", CLIP[:5], 4.0)
    wish = Wish(video=tmp_path / "v.mp4", task="interpolate")
    assert len(wish.request(8.0).video) == 5  # each of them, with room between
    assert len(replace(wish, task="continue").request(8.0).video) == 10  # each of them twice


def test_the_stronger_a_video_is_kept_the_closer_the_edit_stays(tasks):
    whole = coded(tasks, CLIP[:9])
    far, near = (
        float(
            (draft(tasks, video=CLIP[:9], task="edit", strength=s).latents - whole).square().mean()
        )
        for s in (0.1, 0.9)
    )
    assert 0 < near < far


@pytest.mark.parametrize("wishes", [{}, {"image": CLIP[0]}, {"video": CLIP[:5]}], ids=str)
def test_a_loop_ends_with_its_first_frame(tasks, monkeypatch, wishes):
    """Shown by an autoencoder that loses nothing: both frames are given, and put back."""
    seen = []
    monkeypatch.setattr(
        "kineograph.generation.generator.settle",
        lambda task, latents, parts, report: seen.append(task.given) or latents,
    )
    draft(tasks, frames=9, task="loop", **wishes)
    frames, strength = seen[0].frames, seen[0].strength
    assert torch.equal(frames[:, :, 0], frames[:, :, 8])
    assert strength[0, 0, [0, 8], 0, 0].tolist() == [1.0, 1.0]


def test_each_loop_of_a_batch_begins_with_its_own_picture(tasks):
    one, other = tasks.drafts(["a ball", "a cube"], Request(task="loop"))
    (alone,) = tasks.drafts(["a cube"], Request(task="loop", seed=1))
    assert not torch.allclose(one.latents[:, 0], other.latents[:, 0], atol=1e-2)
    torch.testing.assert_close(other.latents, alone.latents, atol=2e-3, rtol=1e-3)


def test_a_long_video_is_made_in_windows_and_begins_like_a_short_one(tasks):
    events: list[Event] = []
    noise_of_long = draft(tasks, events, frames=25, steps=2)
    assert noise_of_long.latents.shape[1] == 7
    steps = [event for event in events if event.stage == "denoise"]
    assert [event.step for event in steps] == list(range(1, 7)) and steps[0].total == 6
    assert any("in windows of up to 9" in event.note for event in events)


@pytest.mark.parametrize(
    ("wishes", "complaint"),
    [
        ({"video": CLIP[:9], "frames": 9}, "nothing is left to make; expected more than 9"),
        ({"video": CLIP[:5], "task": "edit", "frames": 9, "strength": 0.5}, "at most 5"),
        ({"video": CLIP[:5], "task": "edit"}, "strength 1 keeps all"),
        (
            {"video": CLIP[:4], "task": "interpolate", "frames": 9},
            "a video of 4: expected at most 5",
        ),
        ({"video": CLIP[:1], "task": "interpolate", "frames": 1}, "at least two"),
        ({"video": CLIP[:5], "image": CLIP[0]}, "both claim the first frame"),
        ({"image": CLIP[0], "at": {0: CLIP[1]}}, "two images for the same frame"),
        ({"last_image": CLIP[0], "frames": 1}, "expected a video of several frames"),
        ({"at": {9: CLIP[0]}}, "frame 9 of a video of 9: expected 0 to 8"),
        ({"task": "edit"}, "without a video"),
        ({"task": "lop"}, "did you mean 'loop'"),
        ({"task": "loop", "frames": 1}, "a loop of 1 frame"),
        ({"task": "loop", "at": {4: CLIP[0]}}, "the first frame is not given"),
        ({"task": "loop", "last_image": CLIP[0]}, "several frames that is no loop"),
        ({"strength": 1.5}, "strength 1.5: expected a number from 0 to 1"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(tasks, wishes, complaint):
    with pytest.raises(ConfigError, match=complaint):
        draft(tasks, **wishes)


def test_frames_that_a_model_would_ignore_are_refused(generator):
    for wishes in ({"last_image": CLIP[1]}, {"task": "loop"}):
        with pytest.raises(ConfigError, match=r"latent frames \[2\] are given in part only"):
            draft(generator, image=CLIP[0], **wishes)
