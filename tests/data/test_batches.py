"""Batches: nothing lost, nothing mixed, the same again after a stop."""

import json
from collections import Counter
from itertools import islice

import pytest

from kineograph.data.assignment import assign
from kineograph.data.batches import BucketBatches, Dropped, Kept, Repeated
from kineograph.data.buckets import Bucket, BucketTable, ClipSize, Length, Row
from kineograph.errors import DataError

PICTURES = Bucket("144p", 1, "1.00", 192, 192, 4)
CLIPS = Bucket("144p", 17, "0.56", 144, 256, 3)
ROWS = {PICTURES: range(10), CLIPS: range(10, 21)}


def stream(rest=None, rank=0, ranks=1, rows=ROWS):
    return BucketBatches(lambda epoch: rows, seed=5, rest=rest, rank=rank, ranks=ranks)


@pytest.mark.parametrize("rest", [Kept(), Dropped(), Repeated()])
def test_a_batch_is_full_and_of_one_bucket(rest):
    for batch in islice(stream(rest), 50):
        assert len(batch.rows) == batch.bucket.batch
        assert set(batch.rows) <= set(ROWS[batch.bucket])


def test_pictures_and_clips_are_mixed():
    order = [batch.bucket.frames for batch in islice(stream(Repeated()), 7)]
    assert sorted(order) == [1, 1, 1, 17, 17, 17, 17] != order


def test_kept_rows_are_seen_equally_often():
    batches = stream(Kept())
    seen = Counter(row for batch in islice(batches, 200) for row in batch.rows)
    assert len(seen) == 21
    for bucket in ROWS:
        counts = [seen[row] for row in ROWS[bucket]]
        assert max(counts) - min(counts) <= 2


def test_repeated_rows_show_every_row_in_each_epoch():
    batches = stream(Repeated())
    rows = {row for batch in islice(batches, 7) for row in batch.rows}
    assert rows == set(range(21)) and batches.epoch == 0


def test_dropped_rows_wait_for_another_epoch():
    batches = stream(Dropped())
    list(islice(batches, 5))
    assert batches.epoch == 0
    next(batches)
    assert (batches.epoch, batches.waiting) == (1, {})


@pytest.mark.parametrize("rest", [Kept(), Dropped(), Repeated()])
def test_processes_share_what_one_would_see(rest):
    alone = list(islice(stream(rest), 4))
    pair = [list(islice(stream(rest, rank, 2), 2)) for rank in range(2)]
    assert [batch for step in zip(*pair, strict=True) for batch in step] == alone


@pytest.mark.parametrize("done", [0, 1, 6, 7, 23])
@pytest.mark.parametrize("rest", [Kept(), Dropped(), Repeated()])
def test_a_run_that_stops_goes_on_as_if_it_had_not(rest, done):
    whole = stream(rest)
    list(islice(whole, done))
    state = json.loads(json.dumps(whole.state_dict()))
    resumed = stream(rest)
    resumed.load_state_dict(state)
    assert list(islice(resumed, 30)) == list(islice(whole, 30))
    assert resumed.state_dict() == whole.state_dict()


def test_more_processes_go_on_where_one_stopped():
    whole = stream(Repeated())
    list(islice(whole, 2))
    parts = [stream(Repeated(), rank, 2) for rank in range(2)]
    for part in parts:
        part.load_state_dict(whole.state_dict())
    assert [next(parts[0]), next(parts[1])] == [next(whole), next(whole)]


def test_epochs_and_seeds_differ():
    batches = stream(Repeated())
    first, second = list(islice(batches, 7)), list(islice(batches, 7))
    other = BucketBatches(lambda epoch: ROWS, seed=6, rest=Repeated())
    assert first != second and list(islice(other, 7)) != first


def test_clips_kept_by_chance_fill_batches_in_the_end():
    table = BucketTable(rows=(Row(size="144p", lengths=(Length(frames=17, batch=4, keep=0.2),)),))
    clips = [ClipSize(30, 144, 256)] * 5
    batches = BucketBatches(lambda epoch: assign(table, clips, epoch=epoch).filled)
    assert len(next(batches).rows) == 4
    assert batches.epoch > 0


def test_no_batch_at_all_is_an_error_not_a_hang():
    with pytest.raises(DataError, match="2 rows in buckets make no batch"):
        next(stream(Dropped(), rows={CLIPS: [0, 1]}))
    with pytest.raises(DataError, match="0 rows"):
        next(stream(rows={}))


def test_a_state_of_another_order_is_refused():
    other = BucketBatches(lambda epoch: ROWS, seed=6)
    with pytest.raises(DataError, match="seed 5"):
        other.load_state_dict(stream().state_dict())
    with pytest.raises(DataError, match="process 2 of 2"):
        stream(rank=2, ranks=2)
