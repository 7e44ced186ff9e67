"""Plans of equal cost fill the same batches as tables of buckets do."""

from itertools import islice

import pytest

from kineograph.config import from_data, to_data
from kineograph.data.assignment import assign, lines
from kineograph.data.batches import BucketBatches
from kineograph.data.buckets import SHORT, SMALL, ClipSize
from kineograph.data.min_max import EqualTokens, MinMaxSizes, OwnShape
from kineograph.data.token_plans import SHAPE, EqualTokenBatches, MinMaxTokens

OWN = MinMaxTokens(sizes=OwnShape(), batch=2, pictures=4)
LISTED = MinMaxTokens(sizes=MinMaxSizes(most=65536), batch=2)
EQUAL = EqualTokenBatches(tokens=EqualTokens(tokens=256, lengths=(1, 9, 17, 33)), batch=2)


@pytest.mark.parametrize(
    ("plan", "clip", "shape"),
    [
        (OWN, (100, 720, 1280), "93x352x640"),
        (OWN, (60, 720, 1280), "57x352x640"),
        (OWN, (1, 1280, 720), "1x640x352"),
        (OWN, (100, 720, 1280, 2), "49x352x640"),
        (LISTED, (100, 700, 1280), "93x144x256"),
        (LISTED, (100, 480, 640), "93x192x256"),
    ],
)
def test_clips_go_where_they_cost_what_others_cost(plan, clip, shape):
    found = plan.find(ClipSize(*clip), 0)
    assert found is not None and found.shape == shape
    assert found.batch == (4 if clip[0] == 1 else 2)


@pytest.mark.parametrize(
    ("plan", "clip", "reason"),
    [
        (OWN, (20, 720, 1280), SHORT),
        (OWN, (100, 200, 200), SMALL),
        (OWN, (100, 400, 1280), SHAPE),
        (LISTED, (100, 140, 250), SMALL),
        (EQUAL, (1, 300, 300), SHORT),
        (EQUAL, (100, 90, 90), SMALL),
    ],
)
def test_who_goes_nowhere_learns_why(plan, clip, reason):
    assert plan.find(ClipSize(*clip), 0) is None
    assert plan.reason(ClipSize(*clip)) == reason


def test_equal_tokens_show_a_clip_at_several_lengths():
    clip = ClipSize(40, 720, 1280)
    seen = {EQUAL.find(clip, EQUAL.row_seed(0, seed=0, epoch=epoch)) for epoch in range(30)}
    assert {one.frames for one in seen if one} == {1, 9, 17, 33}


@pytest.mark.parametrize("plan", [OWN, LISTED, EQUAL])
def test_plans_fill_batches_and_survive_a_file(plan):
    clips = [ClipSize(40 + row, 720, 1280) for row in range(20)] + [ClipSize(50, 640, 480)] * 6
    batches = BucketBatches(lambda epoch: assign(plan, clips, epoch=epoch).filled)
    for batch in islice(batches, 20):
        assert len(batch.rows) == batch.bucket.batch
    assert "26 of 26 clips" in lines(assign(plan, clips))[-1]
    assert from_data(type(plan), to_data(plan)) == plan
