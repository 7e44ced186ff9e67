"""Prompts are fixed and balanced; shares are counted right; an evaluation can be interrupted."""

import json
from collections import Counter

import pytest
import torch

from kineograph.errors import ConfigError
from kineograph.evaluation import card, prompts, report
from kineograph.evaluation.adherence import ALL, TOGETHER, Outcome, measure, tally
from kineograph.evaluation.checks import EQUAL, Checks, Form
from kineograph.evaluation.reader import load
from kineograph.evaluation.share import Share
from kineograph.toybox.render import render, times
from kineograph.toybox.world import is_held_out

FORM = Form(17, 64, 64, 8)
PROMPTS = prompts.load(4)
BY_TEXT = {prompt.text: prompt for prompt in PROMPTS}


@pytest.fixture(scope="module")
def reader():
    return load()


def truthful(texts, seeds):
    """A model that cannot do better: it renders what it is asked for."""
    scenes = [BY_TEXT[text].scene() for text in texts]
    return render(scenes, times(17, 8), (64, 64)).video


def silent(line):
    """Says nothing."""


def outcome(**wrong):
    true = {"colour": "red", "shape": "cube", "motion": "left", "floor": "grey"}
    sure = dict.fromkeys(true, 1.0)
    return Outcome(text="", seed=0, held_out=False, asked=true, read=true | wrong, confidence=sure)


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(30, 30, 0.8865, 1.0), (5, 10, 0.2366, 0.7634), (0, 12, 0.0, 0.2425)],
)
def test_the_interval_is_wilsons(right, total, low, high):
    assert Share(right, total).interval == pytest.approx((low, high), abs=1e-4)


def test_nothing_asked_says_nothing():
    assert Share(0, 0).value == 0 and Share(0, 0).interval == (0, 1)


def test_the_file_holds_what_its_function_makes():
    assert prompts.make() == prompts.load()


def test_prompts_are_balanced_and_half_of_them_held_out():
    some = prompts.load(60)
    assert len({prompt.text for prompt in some}) == 60
    for held_out in (False, True):
        half = [prompt.asked for prompt in some if prompt.held_out == held_out]
        assert set(Counter(asked["motion"] for asked in half).values()) == {5}
        assert len(Counter(asked["shape"] for asked in half)) == 5
        assert all({"colour", "shape", "motion"} <= asked.keys() for asked in half)


def test_prompts_ask_for_what_is_true_of_their_scene():
    for prompt in prompts.load(60):
        assert prompt.asked.items() <= prompts.truth(prompt.scene()).items()
        assert is_held_out(prompt.scene()) == prompt.held_out


@pytest.mark.parametrize("count", [0, 401])
def test_more_prompts_than_there_are_is_refused(count):
    with pytest.raises(ConfigError, match=f"{count} prompts: expected 1 to 400"):
        prompts.load(count)


def test_shares_are_counted_by_attribute_and_together():
    shares = tally([outcome(), outcome(motion="right"), outcome(floor="wooden")])
    found = {name: (share.right, share.total) for name, share in shares.items()}
    assert found == {
        "colour": (3, 3), "shape": (3, 3), "motion": (2, 3), "floor": (2, 3),
        TOGETHER: (2, 3), ALL: (1, 3),
    }  # fmt: skip


def test_a_truthful_model_is_right_and_a_stubborn_one_is_not(reader, tmp_path):
    good = measure(truthful, PROMPTS, reader, tmp_path / "good", silent)
    assert tally(good)[ALL].value == 1
    first = PROMPTS[0]

    def stubborn(texts, seeds):
        return truthful([first.text] * len(texts), seeds)

    bad = measure(stubborn, PROMPTS, reader, tmp_path / "bad", silent)
    assert tally(bad)[ALL].right < 4 and bad[0].right(first.asked)


def test_of_a_picture_motion_is_not_asked(reader, tmp_path):
    found = measure(
        lambda texts, seeds: truthful(texts, seeds)[:, :1], PROMPTS[:1], reader, tmp_path, silent
    )
    assert "motion" not in found[0].asked and "motion" in PROMPTS[0].asked
    assert found[0].right(found[0].asked)


def test_an_interrupted_measurement_goes_on(reader, tmp_path):
    asked = []

    def failing(texts, seeds):
        asked.append(texts[0])
        if len(asked) == 3:
            raise KeyboardInterrupt
        return truthful(texts, seeds)

    with pytest.raises(KeyboardInterrupt):
        measure(failing, PROMPTS, reader, tmp_path, silent)
    found = measure(failing, PROMPTS, reader, tmp_path, silent)
    texts = [prompt.text for prompt in PROMPTS]
    assert asked == [*texts[:3], *texts[2:]]
    assert [one.text for one in found] == texts


def test_checks_see_a_perfect_copy_and_a_picture_that_does_not_move(reader, tmp_path):
    still = [prompt for prompt in prompts.load(60) if prompt.asked["motion"] != "still"][:2]
    checks = Checks(still, FORM, reader, tmp_path, silent)
    for copied in checks.autoencoder(lambda clip: clip, 2):
        assert copied.everywhere == copied.on_object == EQUAL
        assert copied.outcome.right(copied.outcome.asked)
    frozen = checks.image_to_video(lambda picture, text, seed: picture.expand(17, -1, -1, -1), 2)
    for shown in frozen:
        assert shown.first_frame == EQUAL
        assert shown.outcome.read["motion"] == "still" and not shown.outcome.right(["motion"])


def test_damage_on_the_object_counts_there(reader, tmp_path):
    def damage(clip):
        scene = PROMPTS[1].scene()
        mask = render([scene], times(17, 8), (64, 64)).masks[0] > 0
        return torch.where(mask[..., None], 255 - clip, clip)

    [result] = Checks([PROMPTS[1]], FORM, reader, tmp_path, silent).autoencoder(damage, 1)
    assert result.on_object < result.everywhere - 5 < EQUAL - 5


def test_the_report_is_written_as_numbers_tables_and_pictures(reader, tmp_path):
    checks = Checks(PROMPTS[:2], FORM, reader, tmp_path, silent)
    found = report.Report(
        model="truthful",
        digest="0" * 12,
        level=1,
        text=measure(truthful, PROMPTS, reader, tmp_path / report.TEXT, silent),
        animated=checks.image_to_video(
            lambda picture, text, seed: truthful([text_of(seed)], [0])[0], 2
        ),
        reconstructed=checks.autoencoder(lambda clip: clip, 2),
    )
    report.write(found, tmp_path)
    assert card.write(found, tmp_path).stat().st_size > 10_000
    summary = json.loads((tmp_path / "report.json").read_text())["summary"]
    assert summary["adherence"]["held-out"][ALL] == {
        "right": 2, "of": 2, "share": 1.0, "interval": [0.3424, 1.0],
    }  # fmt: skip
    assert summary["image_to_video"]["motion"]["right"] == 2
    assert PROMPTS[3].text in (tmp_path / "report.md").read_text()
    assert (tmp_path / "sheet.png").exists()


def text_of(seed):
    """The prompt of a scene's seed."""
    return next(prompt.text for prompt in PROMPTS if prompt.seed == seed)
