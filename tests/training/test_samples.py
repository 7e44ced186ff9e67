"""Clips of several caches are counted through, chosen by a stage, and brought into batches."""

import random
from dataclasses import replace

import pytest
import torch

from kineograph.data.latents import Latents
from kineograph.data.min_max import MinMaxSizes
from kineograph.data.token_plans import LegalLength, MinMaxTokens
from kineograph.errors import ConfigError, DataError
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.stages import Bound, Schedule, Stage, Subset, Windows
from kineograph.training.samples import Cached, Cut, Samples
from kineograph.training.source import Anyhow, Bucketed

SCHEDULE = Schedule(steps=10, batch=3, rate=1e-3)
STAGE = Stage(name="all", schedule=SCHEDULE)
PLAN = MinMaxTokens(
    sizes=MinMaxSizes(most=32 * 32), frames=17, length=LegalLength(least=5), batch=2, pictures=4
)


def cached(clips: int, frames: int, size: int = 32, first: int = 0) -> Cached:
    """Clips whose latents are their own numbers."""
    shape = (clips, 1, 1 + (frames - 1) // 4, 2, 2)
    number = torch.arange(first, first + clips).view(-1, 1, 1, 1, 1).expand(shape)
    records = tuple(
        {"captions": [f"clip {row}"], "scores": {"aesthetic": row / 2}, "source": f"{row}.mp4"}
        for row in range(first, first + clips)
    )
    latents = Latents(number.bfloat16(), torch.full(shape, 255, dtype=torch.uint8), records)
    return Cached(latents, frames, size, size, 8.0)


def mixed(held_out: int = 0) -> Samples:
    """Eight pictures and seven videos."""
    return Samples([cached(8, 1), cached(7, 17, first=8)], held_out)


def bucketed(place: Replicas | None = None, seed: int = 0) -> Bucketed:
    return Bucketed(mixed(), STAGE, PLAN, seed, place or Replicas(), lambda _: None)


def test_rows_count_through_all_caches_and_are_cut_to_frames():
    samples = mixed()
    taken = samples.take([9, 14], 3)
    assert taken.latents.shape == (2, 1, 3, 2, 2) and taken.shape == "9x32x32"
    assert taken.latents[:, 0, 0, 0, 0].tolist() == [9.0, 14.0] and (taken.focus == 1).all()
    assert samples.take([0], 9).shape == "1x32x32" and samples.take([8], 9).shape == "17x32x32"
    assert samples.name(8) == "row 8 (8.mp4)"
    assert [record["source"] for record in taken.records] == ["9.mp4", "14.mp4"]


def test_clips_are_cut_where_it_is_said_and_their_places_are_those_of_a_longer_video():
    shape = (2, 1, 9, 2, 2)
    clips = cached(2, 33)
    number = torch.arange(9.0).view(1, 1, 9, 1, 1).expand(shape).bfloat16()
    clips = replace(clips, clips=replace(clips.clips, latents=number))
    taken = Samples([clips]).take([0, 1], 4, [Cut(), Cut(start=3, known=2)])
    assert taken.latents[:, 0, :, 0, 0].tolist() == [[0, 1, 2, 3], [3, 4, 5, 6]]
    assert taken.when is not None and taken.when.tolist() == [[0, 1, 5, 9], [1, 5, 9, 13]]
    assert taken.focus.shape == (2, 1, 4, 2, 2)


def test_a_stage_cuts_as_many_clips_as_it_says_and_knows_how_they_begin():
    stage = replace(STAGE, latent_frames=5, windows=Windows(share=0.5, known=3))
    source = Anyhow(Samples([cached(9, 33)]), stage)
    found = [cut for seed in range(60) for cut in source.take(random.Random(seed)).cuts]
    later = [cut for cut in found if cut.start]
    assert 0.35 < len(later) / len(found) < 0.65
    assert {cut.start for cut in later} == {1, 2, 3, 4} and {cut.known for cut in later} == {
        1,
        2,
        3,
    }
    assert {cut.known for cut in found if not cut.start} == {0}
    assert Anyhow(Samples([cached(9, 17)]), stage).take(random.Random(0)).when is None


def test_what_is_held_out_is_in_no_stage():
    samples = mixed(held_out=2)
    assert samples.held_out == [(6, 7), (13, 14)]
    assert samples.chosen(None) == [(0, 1, 2, 3, 4, 5), (8, 9, 10, 11, 12)]
    with pytest.raises(ConfigError, match="caches of 8, 7 clips: expected more than the 7"):
        mixed(held_out=7)


def test_a_subset_is_the_first_clips_within_its_bounds():
    samples = mixed()
    good = Bound(field="scores.aesthetic", least=1.0, most=5.0)
    assert samples.chosen(Subset(first=4)) == [(0, 1, 2, 3), (8, 9, 10, 11)]
    assert samples.chosen(Subset(first=4, bounds=(good,))) == [(2, 3), (8, 9, 10)]
    with pytest.raises(ConfigError, match="none of 15 clips"):
        samples.chosen(Subset(bounds=(Bound(field="scores.aesthetic", least=99.0),)))
    with pytest.raises(ConfigError, match=r"row 0 \(0.mp4\) has no number 'scores.motion'"):
        samples.chosen(Subset(bounds=(Bound(field="scores.motion", most=1.0),)))


def test_without_buckets_a_batch_is_of_one_cache_and_pictures_are_as_frequent_as_a_stage_says():
    source = Anyhow(mixed(), replace(STAGE, images=0.5))
    seen = [source.take(random.Random(seed)) for seed in range(60)]
    assert all(len({row < 8 for row in taken.rows}) == 1 for taken in seen)
    videos = [taken for taken in seen if taken.rows[0] >= 8]
    assert 15 < len(videos) < 45
    assert 0.25 < sum(taken.latents.shape[2] == 1 for taken in videos) / len(videos) < 0.75


def test_buckets_mix_pictures_and_videos_and_every_clip_comes_round():
    source = bucketed()
    seen = [source.take(random.Random(0)) for _ in range(10)]  # of two epochs
    assert {(taken.shape, len(taken.rows)) for taken in seen} == {("1x32x32", 4), ("17x32x32", 2)}
    pictures = [row for taken in seen for row in taken.rows if row < 8]
    videos = [row for taken in seen for row in taken.rows if row >= 8]
    assert sorted(pictures[:8]) == list(range(8)) and set(videos) == set(range(8, 15))


@pytest.mark.parametrize("after", [0, 3, 6])
def test_buckets_go_on_exactly_where_they_were(after):
    whole, parted = bucketed(), bucketed()
    rows = [whole.take(random.Random(0)).rows for _ in range(after + 8)]
    for _ in range(after):
        parted.take(random.Random(0))
    second = bucketed()
    second.load_state_dict(parted.state_dict())
    assert [second.take(random.Random(0)).rows for _ in range(8)] == rows[after:]


def test_processes_share_the_batches_of_buckets():
    one, other = (bucketed(Replicas(rank, 2)) for rank in (0, 1))
    whole = bucketed()
    rows = [source.take(random.Random(0)).rows for _ in range(2) for source in (one, other)]
    assert rows == [whole.take(random.Random(0)).rows for _ in range(4)]


def test_a_bucket_of_another_size_than_its_clips_is_refused_with_what_helps():
    small = Samples([cached(8, 1, size=48)])
    with pytest.raises(DataError, match=r"bucket 1x32x32: expected cached clips of 32 x 32.*48"):
        Bucketed(small, STAGE, PLAN, 0, Replicas(), lambda _: None)


def test_the_table_of_buckets_is_said():
    said: list[str] = []
    Bucketed(mixed(), STAGE, PLAN, 0, Replicas(), said.append)
    assert any("15 of 15 clips in 2 buckets" in line for line in said)
