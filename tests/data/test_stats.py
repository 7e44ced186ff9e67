"""A survey accounts for every row: refused, left out with a reason, or in a bucket."""

import json

import pytest

from kineograph.data.check import Finding, Remark
from kineograph.data.clip import Clip, Facts
from kineograph.data.published_buckets import OPEN_SORA_1_STAGE_1, TABLES
from kineograph.data.stats import AtMost, AtRate, OneShape, survey
from kineograph.errors import ConfigError

SHAPE = OneShape(frames=17, height=64, width=64, batch=2)


def finding(name: str, frames: int, fps: float, size: int = 64) -> Finding:
    facts = Facts(frames=frames, height=size, width=size, fps=fps, origin="measured")
    return Finding(row=name, outcome="ok", clip=Clip(source=name, facts=facts))


FINDINGS = [
    finding("long", 51, 24.0),  # 17 frames at 8 a second
    finding("short", 48, 24.0),  # 16
    Finding(row="broken", outcome="refused", remarks=(Remark("is no video", "delete it"),)),
    finding("exact", 17, 8.0),
    finding("slow", 3, 1.0),  # 24: each is shown several times
]


def test_every_row_is_accounted_for() -> None:
    found = survey(FINDINGS, SHAPE, AtRate(8.0))
    assert found.funnel == [
        ("rows", 5),
        ("can be decoded", 4),
        ("not too short", 3),
        ("in buckets", 3),
        ("in whole batches", 2),
    ]
    text = "\n".join(found.lines())
    assert "left out: short: too short" in text and "refused broken" in text
    assert "is no video; delete it" in text and "17 x 64 x 64" in text
    data = json.loads(json.dumps(found.data()))
    assert data["funnel"]["in buckets"] == 3
    assert data["buckets"][0]["clips"] == ["long", "exact", "slow"]
    assert data["left_out"] == [
        {"row": "broken", "reason": "is no video"},
        {"row": "short", "reason": "too short"},
    ]


@pytest.mark.parametrize("name", TABLES)
def test_published_tables_account_for_every_clip(name: str) -> None:
    findings = [finding(f"{n}", 1 + 7 * n, 24.0, 100 + 40 * n) for n in range(40)]
    found = survey(findings, TABLES[name], AtMost(), seed=3)
    counted = sum(len(rows) for rows in found.assignment.filled.values())
    counted += sum(len(rows) for rows in found.assignment.left_out.values())
    assert counted == 40 == found.rows and counted > len(found.assignment.left_out)


def test_frames_above_a_rate_are_left_out() -> None:
    clip = finding("a", 120, 60.0).clip
    assert clip is not None
    assert AtMost(24.0)(clip).interval == 3 and AtMost()(clip).interval == 1


def test_a_clip_that_nobody_measured_is_refused() -> None:
    known = Finding(row="a", outcome="ok", clip=Clip(source="a"))
    with pytest.raises(ConfigError, match="a: not measured; run `kineograph data check` first"):
        survey([known], OPEN_SORA_1_STAGE_1, AtMost())
