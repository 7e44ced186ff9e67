"""What is written is read back: frames, rate, colours, metadata; or nothing is written."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from kineograph.errors import MediaError
from kineograph.media.decode import read_image, read_video
from kineograph.media.encode import (
    read_metadata,
    write_frames,
    write_gif,
    write_image,
    write_video,
    writing,
)
from kineograph.media.probe import probe

COLOURS = torch.tensor(
    [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128),
     (200, 120, 40), (30, 90, 160)],
    dtype=torch.uint8,
)  # fmt: skip


def plain(height=32, width=48):
    """Eight frames of one colour each."""
    return COLOURS[:, None, None].expand(8, height, width, 3).contiguous()


def ramp():
    """Two frames in which colours change smoothly."""
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    picture = torch.stack([64 + y, 64 + x, 190 - y], dim=-1)
    return picture.expand(2, 64, 64, 3).to(torch.uint8).contiguous()


@pytest.mark.parametrize(("frames", "most"), [(plain(), 2), (ramp(), 3)], ids=["plain", "ramp"])
def test_colours_come_back_nearly_alike(tmp_path, frames, most):
    write_video(tmp_path / "a.mp4", frames, 8, crf=4)
    differences = (read_video(tmp_path / "a.mp4").frames.int() - frames.int()).abs()
    assert differences.max() <= most
    assert differences.float().mean() < 1


def test_colours_are_tagged(tmp_path):
    write_video(tmp_path / "a.mp4", plain(), 8)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        tags = context.color_range, context.colorspace, context.color_primaries, context.color_trc
    assert tags == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("fps", "exact"), [(8, 8), (29.97002997, Fraction(30000, 1001)), (Fraction(25, 2), 12.5)]
)
def test_the_rate_is_exact(tmp_path, fps, exact):
    write_video(tmp_path / "a.mp4", plain(), fps)
    found = probe(tmp_path / "a.mp4", count=True)
    assert found.fps == float(exact)
    assert (found.frames, found.variable_rate) == (8, False)
    assert found.duration == pytest.approx(8 / float(exact), abs=1e-3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.png"])
def test_metadata_come_back(tmp_path, name):
    told = {"kineograph": json.dumps({"prompt": 'a "red" ball;\nü=1'}, ensure_ascii=False)}
    if name.endswith("png"):
        write_image(tmp_path / name, plain()[0], metadata=told)
    else:
        write_video(tmp_path / name, plain(), 8, metadata=told)
    assert read_metadata(tmp_path / name)["kineograph"] == told["kineograph"]


def test_equal_frames_become_equal_files(tmp_path):
    """The settings too: what they rule out shows itself in one clip of a thousand only."""
    files = [tmp_path / f"{index}.mp4" for index in range(10)]
    for path in files:
        write_video(path, ramp(), 8)
    first = files[0].read_bytes()
    assert all(path.read_bytes() == first for path in files)
    assert all(word in first for word in (b" mbtree=0", b" threads=1", b" lookahead_threads=1"))


def test_the_table_stands_in_front(tmp_path):
    write_video(tmp_path / "a.mp4", plain(), 8)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_an_odd_size_grows_by_its_edge(tmp_path):
    write_video(tmp_path / "a.mp4", plain(31, 45), 8, crf=4)
    seen = read_video(tmp_path / "a.mp4").frames
    assert seen.shape == (8, 32, 46, 3)
    assert (seen[:, -1, -1].int() - COLOURS.int()).abs().max() <= 2


def test_a_video_is_written_piece_by_piece(tmp_path):
    with writing(tmp_path / "deep" / "a.mp4", (32, 48), 8) as writer:
        for piece in plain().split(3):
            writer.write(piece)
    assert len(read_video(tmp_path / "deep" / "a.mp4").frames) == 8


def test_a_failure_leaves_the_old_file_and_no_half_one(tmp_path):
    write_video(tmp_path / "a.mp4", plain(), 8)
    before = (tmp_path / "a.mp4").read_bytes()
    with pytest.raises(RuntimeError), writing(tmp_path / "a.mp4", (32, 48), 8) as writer:
        writer.write(plain())
        raise RuntimeError
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match=r"a\.mp4: cannot be written"):
        write_video(tmp_path / "file" / "a.mp4", plain(), 8)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("name", "frames", "fps", "reason"),
    [
        ("a.avi", plain(), 8, r"a\.avi: expected a name that ends in \.mp4 or"),
        ("a.mp4", plain().float(), 8, "expected uint8"),
        ("a.mp4", plain()[0], 8, r"expected \(T, Y, X, 3\)"),
        ("a.mp4", plain()[:0], 8, "a video without frames"),
        ("a.mp4", plain(), 0, "fps 0: expected 0.001 to 100000"),
        ("a.mp4", plain(), 1e-9, "fps 1e-09: expected 0.001 to 100000"),
        ("a.mp4", plain(), float("inf"), "fps inf: expected 0.001 to 100000"),
    ],
)
def test_what_cannot_be_a_video_is_refused(tmp_path, name, frames, fps, reason):
    with pytest.raises(MediaError, match=reason):
        write_video(tmp_path / name, frames, fps)
    assert list(tmp_path.iterdir()) == []


def test_a_piece_of_another_size_is_refused(tmp_path):
    with (
        pytest.raises(MediaError, match=r"expected \(T, 32, 48, 3\)"),
        writing(tmp_path / "a.mp4", (32, 48), 8) as writer,
    ):
        writer.write(plain(16, 16))


def test_a_gif_lasts_as_long_as_its_frames(tmp_path):
    write_gif(tmp_path / "a.gif", plain(), 30.0)
    with Image.open(tmp_path / "a.gif") as image:
        lengths = []
        for index in range(image.n_frames):
            image.seek(index)
            lengths.append(image.info["duration"])
    assert len(lengths) == 8
    assert sum(lengths) == 270  # 8 / 30 s in hundredths
    assert len(read_video(tmp_path / "a.gif").frames) == 8


def test_frames_and_pictures_come_back_bit_for_bit(tmp_path):
    paths = write_frames(tmp_path / "frames", plain())
    assert [path.name for path in paths] == [f"{i:05d}.png" for i in range(8)]
    assert torch.equal(torch.stack([read_image(path) for path in paths]), plain())


def test_a_photograph_nearly_comes_back(tmp_path):
    write_image(tmp_path / "a.jpg", ramp()[0])
    assert (read_image(tmp_path / "a.jpg").int() - ramp()[0].int()).abs().max() <= 8
    with pytest.raises(MediaError, match=r"expected a name that ends in \.png"):
        write_image(tmp_path / "a.jpg", ramp()[0], metadata={"a": "b"})


def test_metadata_of_what_is_no_video_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(MediaError, match="not a video that can be read"):
        read_metadata(tmp_path / "a.npy")
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(MediaError, match="not a picture that can be read"):
        read_metadata(tmp_path / "a.png")
