"""`evaluate` measures any weights folder, goes on in its folder, and mixes no two models."""

import pytest

from kineograph.cli.evaluate import Evaluate
from kineograph.errors import ConfigError

FEW = {"prompts": 2, "images": 1, "clips": 1, "device": "cpu"}


def test_evaluate_writes_the_card_and_goes_on_without_repeating(folder, tmp_path, capsys):
    Evaluate(model=str(folder), out=tmp_path, **FEW).run()
    assert "card.png" in capsys.readouterr().out
    for name in ("card.png", "sheet.png", "report.md", "report.json"):
        assert (tmp_path / name).exists()
    Evaluate(model=str(folder), out=tmp_path, **FEW | {"prompts": 3}).run()
    said = capsys.readouterr().out
    assert "text-to-video 3/3" in said and "text-to-video 2/" not in said


def test_other_settings_need_another_folder(folder, tmp_path):
    Evaluate(model=str(folder), out=tmp_path, **FEW).run()
    with pytest.raises(ConfigError, match="results of other weights or settings"):
        Evaluate(model=str(folder), out=tmp_path, set=("sampling.steps=2",), **FEW).run()


@pytest.mark.parametrize("name", ["prompts", "images", "clips"])
def test_counts_are_checked_before_anything_loads(name):
    with pytest.raises(ConfigError, match=r"999.*expected 1 to"):
        Evaluate(model="nowhere", **{name: 999}).run()
