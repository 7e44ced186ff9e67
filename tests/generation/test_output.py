"""A finished video is written as its name says, with how it came about."""

import pytest
import torch

from kineograph.errors import ConfigError
from kineograph.generation.draft import Info, info
from kineograph.generation.output import Generation, check_name
from kineograph.media.encode import read_metadata
from kineograph.media.probe import probe

INFO = Info(
    model="toybox",
    recipe="toybox",
    digest="abc",
    version="0",
    prompt='a "red" ball – größer',
    negative="",
    seed=3,
    frames=5,
    height=16,
    width=24,
    fps=8.0,
    steps=2,
    guidance=1.5,
    overrides=("sampling.steps=2",),
)


def moving() -> Generation:
    ramp = torch.arange(5 * 16 * 24 * 3).view(5, 16, 24, 3) % 251
    return Generation(ramp.byte(), INFO, enlarge=4)


@pytest.mark.parametrize(("native", "size"), [(False, (96, 64)), (True, (24, 16))])
def test_a_video_file_is_enlarged_and_says_how_it_came_about(tmp_path, native, size):
    path = moving().save(tmp_path / "a.mp4", native=native)
    found = probe(path)
    assert (found.width, found.height) == size
    assert info(read_metadata(path), path) == INFO


def test_every_ending_is_written_as_it_says(tmp_path):
    moving().save(tmp_path / "a.gif")
    assert (tmp_path / "a.gif").read_bytes()[:3] == b"GIF"
    moving().save(tmp_path / "frames")
    assert len(list((tmp_path / "frames").glob("*.png"))) == 5
    picture = Generation(moving().video[:1], INFO).save(tmp_path / "a.png")
    assert info(read_metadata(picture), picture) == INFO


@pytest.mark.parametrize(("name", "hint"), [("a.avi", "expected .mp4"), ("a.png", "do not fit")])
def test_a_name_that_cannot_be_written_is_refused_early(tmp_path, name, hint):
    with pytest.raises(ConfigError, match=hint):
        check_name(tmp_path / name, 5)


def test_black_and_still_videos_are_noticed():
    assert moving().concerns() == []
    black, still = torch.zeros(3, 8, 8, 3).byte(), torch.full((3, 8, 8, 3), 90).byte()
    assert Generation(black, INFO).concerns() == ["the video is black"]
    assert Generation(still, INFO).concerns() == ["nothing moves in the video"]
    assert Generation(still[:1], INFO).concerns() == []
