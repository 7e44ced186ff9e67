"""Every clip goes to one bucket or is left out for a reason that is told."""

from collections import Counter

import pytest

from kineograph.config import from_data, to_data
from kineograph.data import published_buckets as published
from kineograph.data.assignment import assign, lines
from kineograph.data.buckets import (
    CHANCE,
    SHORT,
    SMALL,
    BucketTable,
    ClipSize,
    ComputedSizes,
    Length,
    OneDraw,
    Row,
)
from kineograph.errors import ConfigError


def table(*rows, **more) -> BucketTable:
    return BucketTable(
        rows=tuple(Row(size=size, lengths=lengths) for size, lengths in rows), **more
    )


def lengths(*frames, keep=1.0, look=None):
    return tuple(Length(frames=one, batch=2, keep=keep, look=look) for one in frames)


PLAIN = table(("240p", lengths(1, 17, 51)), ("720p", lengths(1, 17)))
LATE = table(
    ("256px", lengths(1, 5, 33)), ("768px", lengths(1, 33)), sizes=ComputedSizes(), rule=OneDraw()
)


def place(buckets, *clip):
    found = buckets.find(ClipSize(*clip), 0)
    return found and (found.size, found.frames)


@pytest.mark.parametrize(
    ("clip", "place_of"),
    [
        ((100, 720, 1280), ("720p", 17)),  # the largest size first, whatever the length
        ((100, 650, 1150), ("720p", 17)),  # 0.8 of the area is enough
        ((100, 640, 1100), ("240p", 51)),
        ((51, 240, 426), ("240p", 17)),  # longer than the length, not as long
        ((52, 240, 426), ("240p", 51)),
        ((17, 240, 426), None),
        ((1, 720, 1280), ("720p", 1)),
        ((52, 240, 426, 3), ("240p", 17)),
        ((100, 100, 100), None),
    ],
)
def test_a_clip_of_open_sora_1_goes_where_it_fits(clip, place_of):
    assert place(PLAIN, *clip) == place_of


@pytest.mark.parametrize(
    ("clip", "place_of"),
    [
        ((33, 768, 768), ("768px", 33)),
        ((32, 768, 768), ("256px", 5)),  # too short up there, so it comes down
        ((33, 768, 768, 2), ("256px", 5)),
        ((3, 768, 768, 2), ("768px", 1)),  # one frame is left: a picture
        ((4, 768, 768), None),
        ((32, 200, 200), None),
    ],
)
def test_a_clip_of_open_sora_2_goes_where_it_fits(clip, place_of):
    assert place(LATE, *clip) == place_of


@pytest.mark.parametrize("rule_table", [PLAIN, LATE])
def test_the_order_of_the_table_does_not_matter(rule_table):
    turned = BucketTable(
        rows=tuple(Row(size=row.size, lengths=row.lengths[::-1]) for row in rule_table.rows[::-1]),
        sizes=rule_table.sizes,
        rule=rule_table.rule,
    )
    for frames in (1, 20, 40, 90):
        clip = ClipSize(frames, 800, 800)
        assert rule_table.find(clip, 3) == turned.find(clip, 3)


def test_clips_are_kept_as_often_as_the_table_says():
    some = table(("240p", lengths(17)), ("720p", lengths(17, keep=0.25)))
    found = Counter(
        some.find(ClipSize(30, 720, 1280), some.row_seed(row, seed=1, epoch=0)).size
        for row in range(1000)
    )
    assert found["720p"] / 1000 == pytest.approx(0.25, abs=0.04)
    assert found["240p"] == 1000 - found["720p"]  # who is not kept falls one size lower


def test_a_long_clip_may_be_used_as_a_shorter_one():
    some = table(("240p", (Length(frames=51, batch=1, look=0.3), *lengths(17))))
    clip = ClipSize(80, 240, 426)
    found = Counter(some.find(clip, some.row_seed(r, seed=0, epoch=0)).frames for r in range(1000))
    assert found[51] / 1000 == pytest.approx(0.3, abs=0.04)


def test_the_next_epoch_draws_again():
    some = table(("720p", lengths(17, keep=0.5)))
    clips = [ClipSize(30, 720, 1280)] * 40
    first, again, later = (assign(some, clips, epoch=epoch).filled for epoch in (0, 0, 1))
    assert first == again != later


def test_nothing_is_left_out_without_a_reason():
    some = table(("240p", lengths(17)), ("720p", lengths(51, keep=0.0)))
    clips = [ClipSize(30, 240, 426), ClipSize(9, 240, 426), ClipSize(99, 90, 90)]
    clips += [ClipSize(1, 720, 1280)]
    done = assign(some, clips)
    assert dict(done.left_out) == {SHORT: [1, 3], SMALL: [2]}
    rare = table(("720p", lengths(51, keep=0.0)))
    assert dict(assign(rare, [ClipSize(60, 720, 1280)]).left_out) == {CHANCE: [0]}


def test_the_table_shows_buckets_and_what_is_left_out():
    clips = [ClipSize(60, 240, 426)] * 5 + [ClipSize(1, 720, 1280), ClipSize(9, 20, 20)]
    shown = lines(assign(PLAIN, clips))
    assert shown[0].split() == [
        *("frames", "x", "height", "x", "width"),
        *("size", "shape", "batch", "clips", "batches", "over"),
    ]
    assert shown[1].split() == ["1", "x", "720", "x", "1280", "720p", "0.56", "2", "1", "0", "1"]
    assert shown[2].split() == ["51", "x", "240", "x", "426", "240p", "0.56", "2", "5", "2", "1"]
    assert shown[3:] == ["6 of 7 clips in 2 buckets", "left out: 1 too small"]


def test_a_table_survives_a_file():
    for one in (published.OPEN_SORA_1_STAGE_3, published.OPEN_SORA_2_STAGE_2_I2V):
        assert from_data(BucketTable, to_data(one)) == one


def test_published_tables_have_their_buckets():
    assert published.OPEN_SORA_1_STAGE_1.count == 626
    assert published.OPEN_SORA_2_STAGE_1.levels[-1].lengths[0].frames == 129
    frames = {one.frames for one in published.OPEN_SORA_2_STAGE_2.levels[-1].lengths}
    assert 69 not in frames and 73 in frames
    high = published.OPEN_SORA_2_HIGH_COMPRESSION.find(ClipSize(200, 1080, 1920), 0)
    assert high is not None and (high.frames, high.height % 32, high.batch) == (128, 0, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Length(frames=17, batch=1, keep=1.5), "keep = 1.5"),
        (lambda: Length(frames=0, batch=1), "0 frames"),
        (lambda: table(("240p", ()), ("240p", ())).levels, "each size class once"),
        (lambda: table(("245p", ())).levels, "did you mean '240p'"),
    ],
)
def test_a_wrong_table_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
