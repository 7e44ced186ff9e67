"""`kineograph plan` prints what a video or training costs, and answers mistakes."""

import json

import pytest

from kineograph.cli.plan import Plan
from kineograph.errors import ConfigError


def told(capsys, **options) -> str:
    Plan(**options).run()
    return capsys.readouterr().out


def test_a_video_in_words_and_as_data(capsys):
    words = told(capsys, machine="h200")
    assert "17 frames of 128x128" in words and "320 tokens" in words and "GB" in words
    data = json.loads(told(capsys, machine="h200", guidance=1.0, steps=3, format="json"))
    assert data["stages"][1]["passes"] == 3 and data["tokens"] == 320


def test_training_as_data(capsys):
    rows = json.loads(told(capsys, model="lab-image-kl", train=True, machine="h100", format="json"))
    assert rows and all(row["device_hours"] > 0 and row["dollars"] > 0 for row in rows)


def test_training_in_words_ends_with_the_sum(capsys):
    words = told(capsys, model="lab-image-kl", train=True, machine="h100")
    assert "device hours" in words.splitlines()[-1]


def test_a_table_of_a_paper(capsys):
    assert Plan(paper="ltx-video").run() == 0
    assert "8192" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"frames": 18}, "nearest: 17 frames"),
        ({"size": "60x64"}, "nearest: .* of 64x64"),
        ({"size": "big"}, "two numbers"),
        ({"steps": -1}, "number above 0"),
        ({"seconds": 1.0, "frames": 9}, "one of them"),
        ({"machine": "h10"}, "h100"),
        ({"model": "toybx"}, "toybox"),
        ({"paper": "stv"}, "stiv"),
        ({"set": ("sampling.step=4",)}, "steps"),
    ],
)
def test_mistakes_are_answered(options, answer):
    with pytest.raises(ConfigError, match=answer):
        Plan(**{"machine": "h200", **options}).run()
