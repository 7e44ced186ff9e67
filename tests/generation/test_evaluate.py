"""`evaluate` measures any weights folder, goes on in its folder, and mixes no two models."""

import json

import pytest
import torch

from kineograph.cli.evaluate import Evaluate
from kineograph.errors import ConfigError

FEW = {"prompts": 2, "given": 1, "clips": 1, "batch": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def done(folder, tmp_path_factory):
    """The results of a small evaluation."""
    out = tmp_path_factory.mktemp("evaluation")
    Evaluate(model=str(folder), out=out, **FEW).run()
    return out


def test_evaluate_writes_the_card_and_goes_on_without_repeating(folder, done, capsys):
    for name in ("card.png", "sheet.png", "tasks.png", "report.md", "report.json"):
        assert (done / name).exists()
    data = json.loads((done / "report.json").read_text())
    assert data["conditions"]["level"] == data["subject"]["trained_level"] == 1
    for task in ("image-to-video", "continuation", "transition", "interpolation"):
        answer = data["clips"][task]
        assert answer["refused"] or len(answer["made"]) == 1
    Evaluate(model=str(folder), out=done, **FEW | {"prompts": 4}).run()
    said = capsys.readouterr().out
    assert "text-to-video 4/4" in said and "text-to-video 2/" not in said
    assert "image-to-video" not in said and "card.png" in said


def test_the_same_twice_gives_the_same_digits(folder, tmp_path):
    cards = []
    for name in ("one", "two"):
        Evaluate(model=str(folder), out=tmp_path / name, **FEW).run()
        cards.append((tmp_path / name / "report.json").read_text())
    assert cards[0] == cards[1]


def test_processes_share_the_work_and_change_no_digit(folder, tmp_path, capfd):
    few = FEW | {"prompts": 4, "given": 2}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        Evaluate(model=str(folder), out=tmp_path / "alone", **few).run()
    finally:
        torch.set_num_threads(threads)
    capfd.readouterr()
    Evaluate(model=str(folder), out=tmp_path / "both", processes=2, **few).run()
    said = capfd.readouterr().out
    assert said.count("text-to-video 2/4") == said.count("text-to-video 4/4") == 1
    one, other = ((tmp_path / name / "report.json").read_text() for name in ("alone", "both"))
    assert one == other


def test_more_prompts_do_not_change_the_first_ones(folder, done, tmp_path):
    Evaluate(model=str(folder), out=tmp_path, **FEW | {"prompts": 1}).run()
    one, more = (folder / "text-to-video" / "0000.json" for folder in (tmp_path, done))
    assert one.read_text() == more.read_text()


def test_other_settings_need_another_folder(folder, done):
    with pytest.raises(ConfigError, match="results of other weights, settings or machines"):
        Evaluate(model=str(folder), out=done, set=("sampling.steps=2",), **FEW).run()


@pytest.mark.parametrize("name", ["batch", "processes"])
def test_nobody_does_nothing(name):
    with pytest.raises(ConfigError, match=f"--{name} 0: expected 1 or more"):
        Evaluate(model="nowhere", **{name: 0}).run()


@pytest.mark.parametrize("name", ["prompts", "given", "clips", "scores"])
def test_counts_are_checked_before_anything_loads(name):
    with pytest.raises(ConfigError, match=r"999: expected . to 400"):
        Evaluate(model="nowhere", **{name: 999}).run()


def test_a_level_without_a_reader_or_prompts_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match="level 4"):
        Evaluate(model=str(folder), out=tmp_path, level=4, **FEW).run()
