"""A clip's record survives a file unchanged, and nothing wrong gets into one."""

import json

import pytest

from kineograph.data.clip import Caption, Clip, Facts, Span, from_record, to_record
from kineograph.errors import DataError

FULL = Clip(
    source="shards/a.tar/1 \N{SNOWMAN}.mp4",
    span=Span(start=0.5, end=2.5, first=4, stop=20),
    facts=Facts(frames=16, height=480, width=854, fps=23.976, origin="measured"),
    captions=(Caption(text="a ball", origin="text"), Caption(text="a red ball", origin="model")),
    scores={"aesthetic": 5.25},
    notes={"licence": "CC-BY"},
    digest="00ff",
)


@pytest.mark.parametrize("clip", [FULL, Clip(source="a.mp4"), Clip(source="-a", span=Span())])
def test_a_record_is_plain_and_comes_back(clip: Clip) -> None:
    assert from_record(json.loads(json.dumps(to_record(clip)))) == clip


def test_what_is_not_known_is_not_written() -> None:
    assert to_record(Clip(source="a.mp4")) == {"source": "a.mp4", "facts": {"origin": "claimed"}}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "source: missing"),
        ({"source": " "}, "expected the path of a file"),
        ({"source": "a\0b"}, "expected the path of a file"),
        ({"source": "a", "fact": {}}, "did you mean 'facts'"),
        ({"source": "a", "facts": {"frames": 0}}, "frames = 0: expected more than 0"),
        ({"source": "a", "facts": {"frames": 1.5}}, r"facts\.frames: 1\.5 given"),
        ({"source": "a", "facts": {"width": -2}}, "width = -2: expected at least 1"),
        ({"source": "a", "facts": {"origin": "guessed"}}, "expected 'measured' or 'claimed'"),
        ({"source": "a", "span": {"start": 2.0, "end": 1.0}}, "expected 0 <= start < end"),
        ({"source": "a", "span": {"first": 5, "stop": 4}}, "expected 0 <= first <= stop"),
        ({"source": "a", "scores": {"flow": "much"}}, r"scores\.flow: 'much' given"),
        ({"source": "a", "scores": {"flow": float("nan")}}, "expected a finite number"),
        ({"source": "a", "captions": ["a ball"]}, r"captions\.0: 'a ball' given"),
        ({"source": "\udcff"}, "Unicode|source"),
        (["a"], "given"),
    ],
)
def test_a_wrong_record_names_field_and_value(wrong: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_record(wrong)


def test_a_name_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(DataError, match="expected a name in Unicode"):
        Clip(source="a\udcff.mp4")
