"""Clips of videos: seeds decide, held-out videos are never trained on, short ones are left out."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kineograph import recipes
from kineograph.data.clip import Clip, Span
from kineograph.data.layouts import parquet
from kineograph.errors import ConfigError, DataError
from kineograph.media.encode import write_video
from kineograph.recipes.stages import Clips, Footage
from kineograph.training import footage as module
from kineograph.training.clips import draw, on_videos, told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three films of one grey each (2 of 12 frames, 1 of 2), in folders, and a text file."""
    root = tmp_path_factory.mktemp("films")
    (root / "inside").mkdir()
    for name, grey, frames in (("a", 60, 12), ("inside/b", 200, 12), ("c", 120, 2)):
        write_video(
            root / f"{name}.mp4", torch.full((frames, 16, 24, 3), grey, dtype=torch.uint8), 8.0
        )
    (root / "notes.txt").write_text("no film")
    (root / "broken.mp4").write_bytes(b"no film either")
    return root


def clips(folder: Path) -> Footage:
    return Footage(folder=str(folder), frames=5, size=8, fps=8.0)


def test_a_seed_is_a_clip_in_any_batch_and_nothing_is_known_of_its_objects(folder: Path) -> None:
    batch = draw(clips(folder), range(3))
    assert batch.video.shape == (3, 3, 5, 8, 8) and batch.video.dtype == torch.float32
    assert batch.mask.shape == (3, 1, 5, 8, 8) and not batch.mask.any() and batch.scenes == ()
    assert torch.equal(draw(clips(folder), range(1, 2)).video[0], batch.video[1])


def test_held_out_videos_are_never_trained_on(folder: Path) -> None:
    def greys(*, held_out: bool) -> set[int]:
        video = draw(clips(folder), range(12), held_out=held_out).video
        return {round(float(clip.mean()), 1) for clip in video}

    trained, measured = greys(held_out=False), greys(held_out=True)
    assert len(trained) == len(measured) == 1 and trained != measured
    assert trained | measured == {round(60 / 127.5 - 1, 1), round(200 / 127.5 - 1, 1)}


def test_a_clip_is_named_by_its_video_and_second(folder: Path) -> None:
    said = {told(clips(folder), seed) for seed in range(4)}
    assert len(said) == 4
    assert all(re.fullmatch(r".*\.mp4 at 0\.\d\d s", one) for one in said)
    assert told(Clips(), 7) == "scene 7"


def test_a_single_video_serves_for_both(tmp_path: Path) -> None:
    write_video(tmp_path / "only.mp4", torch.full((12, 16, 16, 3), 90, dtype=torch.uint8), 8.0)
    for held_out in (False, True):
        assert draw(clips(tmp_path), range(2), held_out=held_out).video.shape[0] == 2


def test_of_a_few_videos_none_needs_to_be_held_out(folder: Path) -> None:
    every = replace(clips(folder), held_out=0.0)
    for held_out in (False, True):
        greys = draw(every, range(12), held_out=held_out).video.mean(dim=(1, 2, 3, 4))
        assert len({round(float(grey), 1) for grey in greys}) == 2


def test_a_list_of_parts_of_videos_is_kept_to(tmp_path: Path) -> None:
    ramp = torch.arange(24, dtype=torch.uint8).mul(10).view(24, 1, 1, 1).expand(24, 16, 16, 3)
    write_video(tmp_path / "ramp.mp4", ramp.contiguous(), 8.0)
    parts = [
        Clip(source=str(tmp_path / "ramp.mp4"), span=Span(start=s, end=s + 0.75)) for s in (0, 2)
    ]
    parquet.write(parts, tmp_path / "clips.parquet")
    listed = replace(clips(tmp_path / "clips.parquet"), held_out=0.0)
    assert module.videos(listed) == 2 and module.videos(replace(listed, frames=6)) == 2
    levels = (draw(listed, range(20)).video.amin(dim=(1, 2, 3, 4)) + 1) * 127.5
    assert ((levels < 30) | (levels > 150)).all() and levels.min() < 30 and levels.max() > 150


def test_clips_are_taken_at_the_rate_that_is_asked_for(tmp_path: Path) -> None:
    ramp = torch.arange(24, dtype=torch.uint8).mul(10).view(24, 1, 1, 1).expand(24, 16, 16, 3)
    write_video(tmp_path / "ramp.mp4", ramp.contiguous(), 8.0)
    half = replace(clips(tmp_path), fps=4.0)
    steps = draw(half, range(4)).video.mean(dim=(1, 3, 4)).diff(dim=1) * 127.5
    assert steps.median().item() == pytest.approx(20.0, abs=2.0), "every other frame"


def test_folders_without_a_video_that_is_long_enough_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"none of 4 videos has 12\.38 seconds"):
        draw(replace(clips(folder), frames=100), range(1))
    with pytest.raises(DataError, match="no such file or folder"):
        draw(clips(tmp_path / "nothing"), range(1))


def test_the_videos_of_all_stages_are_named_at_once() -> None:
    recipe = on_videos(recipes.get("open-sora-1.2"), Path("films"))
    assert [stage.clips.kind for stage in recipe.autoencoder_stages] == ["footage"] * 3
    assert {
        stage.clips.folder
        for stage in recipe.autoencoder_stages
        if not isinstance(stage.clips, Clips)
    } == {"films"}
    with pytest.raises(ConfigError, match="trains its autoencoder on toybox clips"):
        on_videos(recipes.get("toybox"), Path("films"))


def test_seeds_choose_among_the_videos(folder: Path) -> None:
    films = module._films(str(folder), 0.5)
    assert len(films) == 2 and {film.path.name for film in films} == {"a.mp4", "b.mp4"}
    chosen = {module._choose(films, seed)[0].name for seed in range(20)}
    assert chosen == {"a.mp4", "b.mp4"}
