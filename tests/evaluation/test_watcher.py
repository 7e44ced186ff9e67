"""The reader of all levels: what its parts promise, and what the shipped one says."""

import json
import random
from dataclasses import replace

import pytest
import torch

from kineograph.checkpoints import files
from kineograph.errors import ConfigError, DataError
from kineograph.evaluation import (
    reader,
    reading_clips,
    reading_lessons,
    reading_measure,
    reading_notes,
)
from kineograph.evaluation.reader import SHIPPED
from kineograph.evaluation.reading import UNKNOWN, VALUES, Related, Said, Sight, ToySeen, certified
from kineograph.evaluation.reading_clips import NO
from kineograph.evaluation.reading_exam import Exam, strange
from kineograph.evaluation.reading_eyes import (
    CROP,
    TURNS,
    Drift,
    Finder,
    Looker,
    Turner,
    crops,
    pairs,
)
from kineograph.evaluation.reading_moments import keep, moments
from kineograph.evaluation.reading_teach import Course, Library, assemble, take_notes, teach
from kineograph.evaluation.reading_tracks import Dots, dots, follow
from kineograph.evaluation.reading_variants import backwards, mirrored
from kineograph.evaluation.reading_watcher import Watcher
from kineograph.toybox.render import render, times
from kineograph.toybox.scene import Toy
from kineograph.toybox.world import sample_scene


@pytest.fixture(scope="module")
def clips():
    return reading_clips.fresh(3, 6)


def test_places_are_where_the_toys_are_drawn(clips):
    seen = 0
    for clip in range(len(clips)):
        for k in range(3):
            place, share = clips.place[clip, 4, k], clips.seen[clip, 4, k]
            if share > 0.04:
                seen += 1
                area = 2.4 * float(place[2]) ** 2
                assert 0 < place[0] < 1 and 0 < place[1] < 1
                assert share < 2.2 * area
            assert place.isfinite().all() == (clips.toy[clip, k, 0] != NO)
    assert seen >= 4


def test_twice_mirrored_and_twice_backwards_is_the_same_clip(clips):
    for turn in (mirrored, backwards):
        there, back = turn(clips), turn(turn(clips))
        assert not torch.equal(there.video, clips.video)
        for name, column in vars(clips).items():
            same = torch.allclose(
                getattr(back, name).float(), column.float(), atol=1e-6, equal_nan=True
            )
            assert same, name


def test_in_the_mirror_and_backwards_words_change(clips):
    left, pan = VALUES["motion"].index("left"), VALUES["camera"].index("pan left")
    toy = torch.tensor([[[0, 0, left, NO]] * 3] * 6, dtype=torch.int8)
    scene = torch.tensor([[0, 0, pan, VALUES["relation"].index("left of"), 1]] * 6)
    clips = replace(clips, toy=toy, scene=scene)
    for turned, relation in ((mirrored(clips), "right of"), (backwards(clips), "left of")):
        assert VALUES["motion"][turned.toy[0, 0, 2]] == "right"
        assert VALUES["camera"][turned.scene[0, 2]] == "pan right"
        assert VALUES["relation"][turned.scene[0, 3]] == relation


def test_backwards_a_change_of_colour_begins_with_its_end(clips):
    red, blue, change = 0, 5, VALUES["motion"].index("recolour")
    toy = torch.tensor([[[red, 0, change, blue]] * 3] * 6, dtype=torch.int8)
    turned = backwards(replace(clips, toy=toy))
    assert turned.toy[0, 0].tolist() == [blue, 0, change, red]


def test_a_crop_shows_the_toy_in_its_middle():
    frame = torch.zeros(2, 3, 64, 64)
    frame[0, :, 20:24, 40:44] = 1
    place = torch.tensor([[42 / 64, 22 / 64, 4 / 64], [0.5, 0.5, 0.1]])
    cut = crops(frame, place)
    assert cut.shape == (2, 3, CROP, CROP)
    assert cut[0, 0, 11:13, 11:13].min() == 1 and cut[0, 0, :4].max() == 0
    assert crops(frame[:0], place[:0]).shape == (0, 3, CROP, CROP)


def test_eyes_say_what_their_docstrings_promise():
    found = Finder()(torch.zeros(2, 3, 64, 64))
    shapes = [tuple(part.shape) for part in vars(found).values()]
    assert shapes == [(2, 16, 16), (2, 3, 16, 16), (2, 5), (2, 3), (2,)]
    assert [tuple(part.shape) for part in Looker()(torch.zeros(4, 3, 24, 24))] == [
        (4, 10), (4, 5), (4, 24),
    ]  # fmt: skip
    steps = pairs(torch.rand(2, 9, 3, 64, 64))
    assert steps.shape == (16, 2, 64, 64)
    assert [tuple(part.shape) for part in Drift()(steps)] == [(16, 4), (16, 16)]
    assert Turner()(torch.zeros(5, 6, 24, 24)).shape == (5, 1 + TURNS)


def dot(*rows):
    return Dots(torch.tensor([row[:3] for row in rows]).reshape(-1, 3), torch.ones(len(rows)))


def test_peaks_become_dots_and_twins_on_one_another_one():
    heat = torch.full((1, 16, 16), -9.0)
    heat[0, 4, 4], heat[0, 4, 6], heat[0, 12, 3] = 4.0, 3.0, 2.0
    place = torch.zeros(1, 3, 16, 16)
    place[0, 0, 4, 4] = place[0, 0, 4, 6] = 0.3
    place[0, 0, 12, 3], place[0, 2] = 0.2, 0.1
    place[0, 1, 12, 3] = 0.8
    [found] = dots(heat, place)
    assert found.place[:, 0].tolist() == pytest.approx([0.3, 0.2])


def test_toys_that_cross_keep_their_looks_and_hidden_ones_their_way():
    xs = [0.1 + 0.1 * m for m in range(9)]
    frames = [dot((x, 0.5, 0.08), (1 - x, 0.5, 0.08)) for x in xs]
    frames[4] = dot((xs[4], 0.5, 0.08))  # one hides the other
    looks = [torch.tensor([[1.0, 0.0], [0.0, 1.0]])[: len(one.heat)] for one in frames]
    tracks = follow(frames, looks)
    assert len(tracks) == 2
    paths = sorted(track.place[:, 0].tolist() for track in tracks)
    assert paths[0] == pytest.approx(xs, abs=1e-5)
    assert paths[1] == pytest.approx([1 - x for x in xs], abs=1e-5)
    assert [track.dot[4] for track in tracks].count(-1) == 1


def test_what_flickers_is_no_toy():
    empty = Dots(torch.zeros(0, 3), torch.zeros(0))
    frames = [empty] * 7 + [dot((0.5, 0.5, 0.1))] * 2
    assert follow(frames, [torch.zeros(len(one.heat), 2) for one in frames]) == ()


def test_a_track_is_the_toy_that_it_is_near():
    place = torch.full((9, 3, 3), torch.nan)
    place[:, 0], place[:, 1] = torch.tensor([0.2, 0.5, 0.1]), torch.tensor([0.8, 0.5, 0.1])
    [right, left] = [
        follow([dot((x, 0.5, 0.1))] * 9, [torch.zeros(1, 2)] * 9)[0] for x in (0.78, 0.22)
    ]
    [lost] = follow([dot((0.5, 0.1, 0.1))] * 9, [torch.zeros(1, 2)] * 9)
    assert reading_notes.matched([right, left], place) == [1, 0]
    assert reading_notes.matched([lost], place) == [NO]


def test_every_lesson_teaches_and_can_be_gone_on_with(tmp_path):
    (tmp_path / "clips").mkdir()
    keep(tmp_path / "clips" / "clips-0000.pt", vars(reading_clips.fresh(1, 4)))
    heard = []
    for name in reading_lessons.LESSONS:
        for steps in (1, 2):
            teach(name, Course(steps=steps, batch=3), tmp_path, heard.append)
        assert torch.load(tmp_path / f"{name}.pt")["step"] == 2
    take_notes(tmp_path, range(1), heard.append)
    notes = reading_notes.load(tmp_path / "notes")
    reading_notes.teach_mind(notes, 1, heard.append)
    assert heard[0] == "notes 0" and heard[1].startswith("mind 1/1 (")
    [sight] = assemble(tmp_path).look(torch.zeros(1, 5, 64, 64, 3, dtype=torch.uint8))
    assert isinstance(sight, Sight)


def test_a_library_sees_new_files(tmp_path, clips):
    library = Library(tmp_path, 0)
    assert library.refresh() == 0
    keep(tmp_path / "clips-0001.pt", vars(clips))
    assert library.refresh() == 6 and len(library.draw(3)) == 3


def test_a_course_starts_short_and_ends_at_rest():
    course = Course(steps=900)
    shares = [course.rate_at(step) for step in (0, 99, 500, 750, 899)]
    assert shares == pytest.approx([0.01, 1, 1, 0.5, 1 / 300])


def test_marks_count_by_place_and_name_what_was_not_seen():
    scene = sample_scene(3, 880_000_001, held_out=None)
    true = reading_measure.truth(scene)
    marks = reading_measure.Marks()
    marks.add(true, true)
    marks.add(true, {})
    shares = marks.shares()
    assert shares["colour"].right * 2 == shares["colour"].total == 2 * len(scene.toys)
    assert shares["all of a clip"].right == 1 and shares["relation"].total == 2
    lines = reading_measure.table(marks.seen["floor"])
    assert lines[0].endswith("| nothing |") or "nothing" in lines[0]
    assert f"| {scene.floor.kind} |" in lines[2]


def test_a_judge_that_sees_the_truth_has_all_right():
    scene = sample_scene(3, 880_000_001, held_out=None)

    class Truthful:
        level = 3

        def look(self, video):
            place = reading_measure.positions(scene, torch.tensor([1.0]), (1, 1))[0]
            toys = [
                ToySeen(said=said_of(toy), x=float(x), y=float(y))
                for toy, (x, y, _) in zip(scene.toys, place, strict=True)
            ]
            kind = Said(scene.relation.kind, 1.0)
            sight = Sight(
                known=1.0,
                toys=(*toys[1:], toys[0]),
                scene={
                    "count": Said(str(len(toys))),
                    "floor": Said(scene.floor.kind),
                    "backdrop": Said(scene.backdrop.kind),
                    "camera": Said(scene.camera.move),
                },
                relations=(Related(first=len(toys) - 1, second=0, said=kind),),
            )
            return (sight,) * len(video)

    exam = Exam(torch.zeros(1, 17, 64, 64, 3, dtype=torch.uint8), [scene])
    seen, held_out = reading_measure.mark(Truthful(), exam)
    assert seen.together(held_out).shares()["all of a clip"].value == 1


def said_of(toy: Toy):
    said = {name: Said(getattr(toy, name), 1.0) for name in ("colour", "shape", "motion")}
    return said if toy.becomes is None else said | {"becomes": Said(toy.becomes, 1.0)}


def test_of_nothing_nothing_is_said():
    [sight] = Watcher().eval().look(torch.zeros(1, 1, 64, 64, 3, dtype=torch.uint8))
    assert sight.toys == () and set(sight.scene.values()) == {UNKNOWN}


def test_moments_are_spread_over_the_clip_and_what_is_no_clip_is_refused():
    video = torch.arange(17, dtype=torch.uint8)[None, :, None, None, None].expand(1, 17, 64, 64, 3)
    shown = (moments(video, 9, 64)[0, :, 0, 0, 0] + 1) * 127.5
    assert shown.round().tolist() == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert moments(torch.zeros(1, 1, 128, 96, 3, dtype=torch.uint8), 9, 64).shape == (
        1,
        9,
        3,
        64,
        64,
    )
    with pytest.raises(DataError, match=r"expects \(B, T, Y, X, 3\) uint8"):
        moments(torch.zeros(9, 8, 8, 3, dtype=torch.uint8), 9, 64)


def test_nonsense_is_of_three_kinds():
    scenes = [sample_scene(1, 700_000_000 + k) for k in range(4)]
    video = torch.randint(256, (4, 17, 64, 64, 3), dtype=torch.uint8)
    odd = strange(Exam(video, scenes), 2, torch.Generator().manual_seed(0))
    assert {kind: tuple(one.shape) for kind, one in odd.items()} == dict.fromkeys(
        ("empty", "noise", "blend"), (2, 17, 64, 64, 3)
    )


def test_scenes_that_teach_obey_the_cheap_rules():
    scene = reading_clips.draw(random.Random(0), 3, 0)
    assert len(scene.toys) in (2, 3) and scene.relation is not None
    assert json.dumps(reading_clips.moments(random.Random(0)).tolist())


@pytest.mark.skipif(not (SHIPPED / "watcher.json").exists(), reason="its weights are not shipped")
@pytest.mark.parametrize("level", [2, 3])
def test_the_shipped_reader_reads_what_it_is_certified_for(level):
    judge = reader.judge(level)
    scenes = [sample_scene(level, 880_900_000 + k, held_out=None) for k in range(8)]
    exam = Exam(render(scenes, times(17, 8), (64, 64)).video, scenes)
    seen, held_out = reading_measure.mark(judge, exam)
    shares = seen.together(held_out).shares()
    assert all(shares[name].value >= 0.7 for name in certified(judge) if name in shares)
    assert (SHIPPED / "watcher.safetensors").stat().st_size <= 2_000_000


def test_a_reader_is_for_its_levels_only(tmp_path, monkeypatch):
    weights = Watcher().state_dict()
    files.write(tmp_path / "watcher.safetensors", weights, {"part": "reader"})
    shares = {"as rendered": {"colour": 0.98, "camera": 0.9}}
    about = {"accuracy": {"level 2": shares, "level 3": {"as rendered": {"floor": 1.0}}}}
    (tmp_path / "watcher.json").write_text(json.dumps(about))
    monkeypatch.setattr(reader, "SHIPPED", tmp_path)
    assert [certified(reader.judge(level)) for level in (2, 3)] == [("colour",), ("floor",)]
    assert reader.judge(2).level == 2
    monkeypatch.setattr(reader, "SHIPPED", tmp_path / "empty")
    with pytest.raises(ConfigError, match=r"level 2: there is no reader for it; expected 1$"):
        reader.judge(2)


def test_where_nothing_is_known_nothing_is_lost():
    logits = torch.zeros(2, 4)
    assert reading_lessons.asked(logits, torch.tensor([NO, NO])) == 0
    one = reading_lessons.asked(logits, torch.tensor([NO, 3]))
    assert one.item() == pytest.approx(1.3863, abs=1e-4)
