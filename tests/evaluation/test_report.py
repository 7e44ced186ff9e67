"""A report is numbers, tables and pictures; two of them are compared, or it is said why not."""

import json
from dataclasses import replace

import pytest
import torch

from kineograph.cli.evaluate_compare import EvaluateCompare
from kineograph.errors import ConfigError, DataError
from kineograph.evaluation import card, report
from kineograph.evaluation.adherence import ALL, Outcome
from kineograph.evaluation.coding import Reconstructed
from kineograph.evaluation.compare import compare, told
from kineograph.evaluation.given_clips import Answer, Made
from kineograph.evaluation.kept import Kept
from kineograph.evaluation.physics import Followed
from kineograph.evaluation.ruler import Form
from kineograph.evaluation.score import SHARE, of_share
from kineograph.evaluation.share import Share
from kineograph.evaluation.sheets import beside
from kineograph.evaluation.summary import DIFFERENCE, FOLLOWS, FRECHET, STILL_NAME, WORDS
from kineograph.evaluation.text_clips import TEXT, Shown

FORM = Form(frames=5, height=16, width=16, fps=8, half=3, quarter=1)
ASKED = {"colour": "red", "shape": "cube", "motion": "left"}


def outcome(number, **wrong):
    read = {**ASKED, **wrong}
    return Outcome(
        text=f"a red cube slides left, number {number}", seed=number, held_out=number % 2 == 1,
        asked=ASKED, read=read, confidence=dict.fromkeys(read, 0.75),
    )  # fmt: skip


def shown(number, right=True, flow=0.5):
    found = outcome(number) if right else outcome(number, shape="ball")
    features = (float(number), 1.0 * (number % 3))
    return Shown(
        outcome=found, flow=flow, true_flow=0.4 + 0.1 * number, features=features,
        true_features=features,
    )  # fmt: skip


def made(number):
    return Made(
        outcome=outcome(number), given_psnr=40.0, psnr=30.0 + number, path=2.0, path_held=8.0,
        flow=0.9, true_flow=1.0, seam=1.2, seam_to_rest=1.1,
        roughness=3.0, true_roughness=2.0, flicker=None,
    )  # fmt: skip


def found(right=6, psnr=34.0):
    clips = tuple(shown(number, number < right, 0.1 * number) for number in range(8))
    followed = tuple(
        Followed(text="", seed=k, law="bounce", error=k, stopped=5.0, straight=4.0)
        for k in range(4)
    )
    coded = tuple(
        Reconstructed(outcome=outcome(k), everywhere=psnr + k, on_object=28.0, ssim=0.9)
        for k in range(3)
    )
    answers = (
        Answer(task="image-to-video", made=(made(0), made(1))),
        Answer(task="transition", refused="no last frame"),
    )
    return report.Found(shown=clips, answers=answers, followed=followed, scored=(), coded=coded)


def whole(right=6, psnr=34.0, digest="0" * 12):
    conditions = report.Conditions(
        level=1, prompts=8, given=2, physics=4, scores=0, coded=3, form=FORM,
        prompts_digest="a", judge_digest="b", judged=("colour", "shape", "motion"),
        not_judged={"floor": 0.9},
    )  # fmt: skip
    subject = report.Subject(model="toy", digest=digest, trained_level=1, steps=24, guidance=4.0)
    origin = report.Origin(kineograph="1", python="3", machine="here", batch=2)
    return report.Report(
        subject=subject,
        conditions=conditions,
        origin=origin,
        recipe={"name": "toy"},
        found=found(right, psnr),
    )


def written(folder, every):
    """A report on disk, with the pictures that an evaluation would have kept."""
    clips = every.found.shown
    video = torch.full((5, 16, 16, 3), 128, dtype=torch.uint8)
    Kept(folder / TEXT, Shown).collect(
        len(clips), lambda numbers: [(clips[number], video) for number in numbers], print
    )
    report.write(every, folder)
    return folder


def test_the_summary_counts_what_was_found():
    scores = whole().summary
    assert scores.find("adherence, all", ALL).right == 6
    assert scores.find("adherence, seen", "shape").count == 4
    difference = scores.find(f"adherence, {DIFFERENCE}", ALL)
    assert difference.value == 0 and difference.low < 0 < difference.high
    assert scores.find("text-to-video", STILL_NAME).right == 4  # 0, .1, .2 and .3 of .4 to .7
    assert scores.find("text-to-video", WORDS).value == 1
    assert scores.find("text-to-video", FRECHET).value == 0
    assert scores.find("physics", FOLLOWS).right == 3  # errors of 0, 1 and 2 of 4
    assert scores.find("autoencoder", "PSNR").value == 35
    assert scores.find("image-to-video", "made frames to the true ones").value == 30.5
    assert scores.find("transition", "seam, 1: none") is None


def test_the_report_is_written_as_numbers_tables_and_pictures(tmp_path):
    written(tmp_path, whole())
    assert card.write(whole(), tmp_path).stat().st_size > 10_000
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["schema"] == report.SCHEMA and data["clips"][TEXT][7]["read"]["shape"] == "ball"
    assert "features" not in data["clips"][TEXT][0]
    text = (tmp_path / "report.md").read_text()
    assert "quick check with 8 of 400 prompts of level 1" in text
    assert "floor (90.0 %)" in text and "transition: cannot be done: no last frame" in text
    assert "shape: ball (0.75)" in text and "number 7" in text
    assert report.read(tmp_path) == report.read(tmp_path / "report.json") == whole().summary


def test_columns_of_a_sheet_are_filled_with_white():
    tall, short = torch.zeros(9, 4, 3), torch.zeros(5, 4, 3)
    both = beside([tall.byte(), short.byte()])
    assert both.shape == (9, 8, 3)
    assert (both[5:, 4:] == 255).all() and (both[:5] == 0).all() and (both[:, :4] == 0).all()


def test_two_cards_are_compared_with_intervals(tmp_path):
    one, other = whole().summary, whole(right=8, psnr=40.0, digest="1" * 12).summary
    changes = {change.before.key: change for change in compare(one, other)}
    everything = changes["adherence, all", ALL]
    assert everything.value == 0.25 and not everything.sure  # 8 of 8 against 6 of 8
    better = changes["autoencoder", "PSNR"]
    assert better.value == 6 and better.sure and better.low < 6 < better.high
    assert told(one, other) == ["model: digest: 000000000000 and 111111111111"]
    assert str(everything).startswith("+25.0 (")


def test_cards_that_were_not_measured_alike_are_refused():
    one = whole().summary
    conditions = replace(one.conditions, prompts=40, form=replace(FORM, fps=16))
    with pytest.raises(ConfigError, match=r"(?s)prompts: 8 and 40.*form.fps: 8.0 and 16.0"):
        compare(one, replace(one, conditions=conditions))


def test_the_command_prints_the_differences(tmp_path, capsys):
    before = written(tmp_path / "a", whole())
    after = written(tmp_path / "b", whole(psnr=40.0, digest="1" * 12))
    EvaluateCompare(before=before, after=after).run()
    said = capsys.readouterr().out
    assert "* PSNR " in said and "35.0 dB -> 41.0 dB" in said and "+6.0 (" in said


def test_what_is_no_report_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no report\.json"):
        report.read(tmp_path)
    (tmp_path / "report.json").write_text('{"summary": 1}')
    with pytest.raises(DataError, match="schema 1; expected 2"):
        report.read(tmp_path)
    (tmp_path / "report.json").write_text("not json")
    with pytest.raises(DataError, match="no JSON"):
        report.read(tmp_path)


def test_scores_print_with_their_unit():
    score = of_share("a", "b", Share(9, 10))
    assert str(score) == "90.0 % (59.6 to 98.2), 9/10" and score.unit == SHARE
