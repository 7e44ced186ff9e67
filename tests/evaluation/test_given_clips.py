"""Perfect completions score perfectly, frozen ones do not; what a model cannot do is said."""

from dataclasses import replace

import pytest
import torch

from kineograph.errors import ConfigError
from kineograph.evaluation.adherence import Outcome
from kineograph.evaluation.coding import Coding
from kineograph.evaluation.given_clips import TASKS, Completing
from kineograph.evaluation.motion_scores import ASKED, by_score, by_words, scored
from kineograph.evaluation.physics import Following
from kineograph.evaluation.prompts import load
from kineograph.evaluation.ruler import EQUAL, Ruler
from kineograph.evaluation.summary import FLOW, HELD, MADE, PATH, SEAM, STILL_NAME, task
from kineograph.evaluation.text_clips import Shown

PROMPTS = load(60)
MOVING = [one for one in PROMPTS if one.asked["motion"] in ("left", "right", "bounce")]


def silent(line):
    """Says nothing."""


def scores(answer):
    return {one.name: one.value for one in task(answer, 1.0)}


def test_tasks_give_a_picture_a_beginning_both_ends_every_other_frame(ruler):
    places = {name: given(ruler.form) for name, given in TASKS.items()}
    assert places == {
        "image-to-video": (0,),
        "continuation": tuple(range(9)),
        "transition": (0, 16),
        "interpolation": tuple(range(0, 17, 2)),
    }


@pytest.mark.parametrize("name", TASKS)
def test_the_truth_scores_perfectly(name, ruler, tmp_path, knowing):
    found = scores(Completing(knowing, ruler, tmp_path, silent).answer(name, MOVING[:2]))
    assert found[MADE] == EQUAL and found[PATH] == 0 and found[FLOW] == found[SEAM] == 1
    assert found[STILL_NAME] == 0 and found["motion read"] == 1


def test_a_frozen_clip_is_still_and_far_from_the_truth(ruler, tmp_path, frozen):
    answer = Completing(frozen, ruler, tmp_path, silent).answer("image-to-video", MOVING[:2])
    found = scores(answer)
    assert found["motion read"] == 0 and found[STILL_NAME] == 1 and found[FLOW] == 0
    assert answer.made[0].given_psnr == EQUAL
    assert found[PATH] == pytest.approx(found[HELD], abs=0.1) and found[HELD] > 2
    assert found[MADE] < 30


def test_a_task_that_cannot_be_done_is_named(ruler, tmp_path):
    def unable(task, given, text, seed):
        raise ConfigError("no frames can be given")

    answer = Completing(unable, ruler, tmp_path, silent).answer("transition", MOVING[:1])
    assert answer.refused == "no frames can be given" and not list(task(answer, 1.0))
    assert Following(unable, ruler, tmp_path, silent).answer(PROMPTS, 2) == ()


def test_nothing_is_asked_between_the_frames_of_a_picture(ruler, tmp_path, knowing):
    picture = Ruler(ruler.judge, ruler.eyes, replace(ruler.form, frames=1))
    answer = Completing(knowing, picture, tmp_path, silent).answer("transition", MOVING[:1])
    assert answer.refused == "clips of 1 frames: nothing is left to be made"
    assert Following(knowing, picture, tmp_path, silent).answer(PROMPTS, 2) == ()


def test_who_knows_the_law_follows_it_and_who_stops_does_not(ruler, tmp_path, knowing, frozen):
    law = Following(knowing, ruler, tmp_path / "law", silent).answer(PROMPTS, 3)
    stop = Following(frozen, ruler, tmp_path / "stop", silent).answer(PROMPTS, 3)
    assert [one.text for one in law] == [one.text for one in stop] and len(law) == 3
    assert all(one.right and one.law == "bounce" for one in law)
    assert not any(one.right for one in stop)


def test_the_autoencoder_that_loses_nothing_is_perfect(ruler, tmp_path):
    [found] = Coding(lambda clip: clip, ruler, tmp_path, silent).clips(PROMPTS[:1])
    assert found.everywhere == found.on_object == EQUAL and found.ssim == pytest.approx(1)
    assert not found.outcome.wrong()


def test_damage_on_the_toy_counts_there(ruler, tmp_path):
    mask = ruler.truth(PROMPTS[1]).masks > 0

    def damage(clip):
        return torch.where(mask[..., None], 255 - clip, clip)

    [found] = Coding(damage, ruler, tmp_path, silent).clips(PROMPTS[1:2])
    assert found.on_object < found.everywhere - 5 < EQUAL - 5 and found.ssim < 1


def test_motion_scores_that_are_obeyed_correlate(tmp_path):
    def moving(texts, seeds):
        """A square that goes one pixel farther for each score."""
        rows = []
        for text in texts:
            step = int(text.split("motion score: ")[1].rstrip("."))
            frame = torch.full((32, 32, 3), 90, dtype=torch.uint8)
            frame[10:20, 4:14] = torch.tensor([220, 60, 20], dtype=torch.uint8)
            rows.append(torch.stack([frame.roll(k * step, 1) for k in range(4)]))
        return torch.stack(rows)

    clips = scored(moving, PROMPTS[:2], tmp_path, silent)
    assert [one.score for one in clips] == [*ASKED, *ASKED]
    assert by_score(clips).value > 0.9


def test_described_motion_correlates_with_itself():
    flows = [0.1 * k for k in range(8)]
    outcome = Outcome(text="", seed=0, held_out=False, asked={}, read={}, confidence={})
    shown = [
        Shown(outcome=outcome, flow=1 - one, true_flow=one, features=(), true_features=())
        for one in flows
    ]
    assert by_words(shown).value == pytest.approx(-1)


def test_renders_are_the_same_each_time(ruler, truthful):
    once, again = (ruler.truth(PROMPTS[0]).video for _ in range(2))
    assert torch.equal(once, again) and torch.equal(once, truthful([PROMPTS[0].text], [0])[0])
