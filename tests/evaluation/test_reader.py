"""The reader reads what was rendered, at any size, spoiled or not, and says when it cannot."""

import json

import pytest
import torch

from kineograph.errors import DataError
from kineograph.evaluation.reader import ATTRIBUTES, SHIPPED, STILL, ReaderConfig, load
from kineograph.evaluation.reader_train import Lesson, accuracy, answers_of, spoil, train
from kineograph.toybox.render import render, times
from kineograph.toybox.world import sample_scene

TINY = ReaderConfig(size=16, moments=3, widths=(4, 4), width=8, path=4)
SCENES = [sample_scene(1, 700_000_000 + k, held_out=None) for k in range(24)]


@pytest.fixture(scope="module")
def reader():
    return load()


@pytest.fixture(scope="module")
def clips():
    return render(SCENES, times(17, 8), (64, 64)).video


def test_fresh_renders_are_read(reader):
    shares = accuracy(reader, SCENES)
    assert min(shares.values()) >= 0.9, shares


def test_spoiled_clips_are_read(reader, clips):
    shown = spoil(clips, torch.Generator().manual_seed(3))
    spoiled = ((shown + 1) * 127.5).to(torch.uint8).movedim(2, -1)
    readings = reader.read(spoiled)
    right = sum(
        reading.values == answers_of(scene) for scene, reading in zip(SCENES, readings, strict=True)
    )
    assert right >= 21


def test_a_larger_picture_is_read(reader):
    scenes = SCENES[:6]
    video = render(scenes, times(1, 8), (128, 128)).video
    for scene, reading in zip(scenes, reader.read(video), strict=True):
        true = answers_of(scene)
        assert {name: reading.values[name] for name in STILL} == {k: true[k] for k in STILL}


def test_backwards_left_is_right_and_towards_is_away(reader, clips):
    other = {"left": "right", "right": "left", "towards": "away", "away": "towards"}
    for scene, reading in zip(SCENES, reader.read(clips.flip(1)), strict=True):
        motion = scene.toys[0].motion
        assert reading.values["motion"] == other.get(motion, motion)


def test_confidence_is_a_share_and_falls_when_nothing_can_be_seen(reader, clips):
    [clear] = reader.read(clips[:1])
    [nothing] = reader.read(torch.full_like(clips[:1], 128))
    assert set(clear.confidence) == set(ATTRIBUTES)
    assert all(
        0 <= share <= 1 for share in (*clear.confidence.values(), *nothing.confidence.values())
    )
    assert nothing.confidence["shape"] < clear.confidence["shape"]


@pytest.mark.parametrize(
    "video", [torch.zeros(1, 3, 8, 8), torch.zeros(1, 9, 8, 8, 3)], ids=["shape", "type"]
)
def test_what_is_no_clip_is_refused(reader, video):
    with pytest.raises(DataError, match=r"expects \(B, T, Y, X, 3\) uint8"):
        reader.read(video)


def test_logits_cover_every_value():
    said = TINY.build()(torch.zeros(2, 3, 3, 16, 16))
    shapes = {name: tuple(logits.shape) for name, logits in said.items()}
    assert shapes == {
        "colour": (2, 3, 10), "shape": (2, 3, 5), "motion": (2, 1, 6), "floor": (2, 3, 3),
    }  # fmt: skip


def test_spoiling_is_repeatable_and_stays_in_range(clips):
    first, again, other = (
        spoil(clips[:2, :3], torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert first.shape == (2, 3, 3, 64, 64)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.abs().max() <= 1


def test_a_lesson_is_repeatable_and_teaches():
    lesson = Lesson(steps=2, batch=4, fresh=2, pool=4)
    one, two = (train(TINY, lesson, lambda line: None).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    torch.manual_seed(0)
    fresh = TINY.build().state_dict()
    assert not torch.equal(one["describe.weight"], fresh["describe.weight"])


def test_the_shipped_reader_is_small_and_says_how_good_it_is():
    about = json.loads((SHIPPED / "reader.json").read_text())
    assert (SHIPPED / "reader.safetensors").stat().st_size < 1_500_000
    assert about["accuracy"]["scenes"] >= 1000
    assert min(about["accuracy"]["held-out combinations"].values()) >= 0.97
