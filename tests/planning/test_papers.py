"""The papers' own tables come out of the same calculations as a plan."""

import pytest

from kineograph.errors import ConfigError
from kineograph.planning.papers import Row, paper


def test_open_sora_2_token_counts_are_exact_and_device_days_near():
    rows = list(paper("open-sora-2"))
    exact = [row for row in rows if row.within == 1]
    assert len(exact) == 15 and all(row.kept for row in exact)
    days = [row for row in rows if row.table == "Table 3"]
    assert len(days) == 3 and all(row.kept and row.within == 1.5 for row in days)


def test_where_open_sora_2_throughput_differs_by_more_than_two():
    far = [row.name for row in paper("open-sora-2") if not row.kept]
    assert far == [
        "clips a second: 33 frames of 768px",
        "clips a second: 1 frames of 768px",
    ]


def test_stiv_operations_are_within_a_quarter():
    rows = list(paper("stiv"))
    assert len(rows) == 7 and all(row.kept and row.within == 1.25 for row in rows)


def test_ltx_video_table_is_exact():
    rows = list(paper("ltx-video"))
    assert len(rows) == 14 and all(row.kept and row.within == 1 for row in rows)


def test_a_row_that_is_too_far_away_is_seen():
    row = Row(table="", name="", published=10, ours=16, within=1.5)
    assert not row.kept


def test_an_unknown_paper_is_answered_with_a_known_one():
    with pytest.raises(ConfigError, match="stiv"):
        paper("stv")
