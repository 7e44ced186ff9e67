"""A probe says what is in a file, not what the file says of itself."""

import struct
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch

from kineograph.errors import MediaError
from kineograph.media import source
from kineograph.media.encode import write_video
from kineograph.media.probe import frame_times, probe

CLOCKWISE = (0, 1, -1, 0)
UPSIDE_DOWN = (-1, 0, 0, -1)
COUNTER_CLOCKWISE = (0, -1, 1, 0)


def turn(path, matrix):
    """Write a display matrix (a, b; c, d) into an mp4."""
    a, b, c, d = (value << 16 for value in matrix)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def test_frames_are_counted_only_when_asked_for(make):
    path = make("clip.mp4", count=7)
    assert (probe(path).frames, probe(path).lost) == (None, None)
    found = probe(path, count=True)
    assert (found.frames, found.lost, found.variable_rate) == (7, 0, False)


def test_size_rate_codec_and_colours(make):
    found = probe(make("clip.mkv", size=(32, 48), fps=10), count=True)
    assert (found.width, found.height, found.fps, found.duration) == (48, 32, 10.0, 2.0)
    assert (found.codec, found.pixel_format) == ("h264", "yuv420p")
    assert (found.color_range, found.color_space, found.has_audio) == ("limited", "bt709", False)


def test_ten_bits_and_full_range_are_named(make):
    planes = [(500, 512, 512)]
    deep = make("deep.mkv", count=1, codec="ffv1", pixel_format="yuv420p10le", planes=planes)
    full = make("full.mkv", codec="ffv1", color_range=2, color_space=6)
    assert probe(deep).pixel_format == "yuv420p10le"
    assert (probe(full).color_range, probe(full).color_space) == ("full", "bt601")


@pytest.mark.parametrize(
    ("matrix", "rotation", "size"),
    [(CLOCKWISE, -90, (32, 48)), (UPSIDE_DOWN, -180, (48, 32)), (COUNTER_CLOCKWISE, 90, (32, 48))],
)
def test_a_turned_video_has_the_size_that_is_shown(make, matrix, rotation, size):
    found = probe(turn(make("clip.mp4", count=2), matrix))
    assert (found.rotation, found.width, found.height) == (rotation, *size)


def test_flat_pixels_are_counted_as_square_ones(make):
    wide = probe(make("wide.mp4", aspect=Fraction(2)))
    tall = probe(make("tall.mp4", aspect=Fraction(1, 2)))
    assert (wide.width, wide.height, wide.aspect) == (96, 32, 3.0)
    assert (tall.width, tall.height) == (48, 64)


def test_uneven_times_are_noticed_and_averaged(make):
    path = make("uneven.mkv", fps=25, stamps=[0, 40, 120, 160, 240, 280, 360])
    found = probe(path, count=True)
    assert found.variable_rate is True
    assert found.fps == pytest.approx(6 / 0.36)
    assert found.duration == pytest.approx(0.36 + 0.06)


def test_times_begin_at_the_first_frame(make):
    late = make("late.mkv", fps=25, stamps=[1075, 1115, 1155])
    assert frame_times(late).times == (0, Fraction(40, 1000), Fraction(80, 1000))


def test_sound_is_seen_but_not_needed(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        video, audio = container.add_stream("libx264", rate=10), container.add_stream("aac", 8000)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        for _ in range(3):
            container.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(audio.encode(sound))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    found = probe(path, count=True)
    assert (found.has_audio, found.frames) == (True, 3)


def test_a_file_with_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", 8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    with pytest.raises(MediaError, match=r"song\.mp4: has no video stream; it holds: audio"):
        probe(path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("text.mp4", b"not a video at all\n" * 50, "not a video that can be read"),
        ("notes.txt", b"plain text\n" * 50, "not a video that can be read"),
        ("list.mp4", b"ffconcat version 1.0\nfile clip.mp4\n", "not a video that can be read"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nclip.mp4\n#EXT-X-ENDLIST\n", "not a video that can"),
        ("empty.mp4", b"", "the file is empty"),
    ],
)
def test_what_is_no_video_is_named_with_its_reason(make, name, content, reason):
    path = make("clip.mp4", count=2).with_name(name)
    path.write_bytes(content)
    with pytest.raises(MediaError, match=f"{name}: {reason}"):
        probe(path)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(MediaError, match="there is no such file"):
        probe(tmp_path / "missing.mp4")
    with pytest.raises(MediaError, match="is a folder"):
        probe(tmp_path)


@pytest.mark.parametrize("name", ["-x.mp4", "a'b\"c.mp4", "two\nlines.mp4", "a:b%d.mp4", "ü ☃.mp4"])
def test_a_strange_name_is_only_a_name(make, monkeypatch, name):
    path = make(name, count=2)
    monkeypatch.chdir(path.parent)
    assert probe(name, count=True).frames == 2


def test_the_ending_of_a_name_means_nothing(make):
    path = make("clip.mp4", count=3)
    assert probe(path.rename(path.with_suffix(".txt")), count=True).frames == 3


def test_a_title_in_no_known_alphabet_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    frames = torch.zeros(4, 16, 16, 3, dtype=torch.uint8)
    write_video(path, frames, 8, metadata={"title": "Zorro"})
    data = path.read_bytes()
    assert data.count(b"Zorro") == 1
    path.write_bytes(data.replace(b"Zorro", b"\xb6orro"))
    assert probe(path, count=True).frames == 4


def test_a_rate_that_cannot_be_is_not_believed(tmp_path):
    """A damaged table of times says a frame every four days; another stays what it is."""
    write_video(tmp_path / "a.mp4", torch.zeros(4, 16, 16, 3, dtype=torch.uint8), 8)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    at = data.index(b"stts") + 16  # the time between two frames
    data[at : at + 4] = (2**31 - 1).to_bytes(4, "big")
    (tmp_path / "b.mp4").write_bytes(data)
    assert probe(tmp_path / "a.mp4").fps == 8
    assert probe(tmp_path / "b.mp4").fps >= 1e-3
    slow = SimpleNamespace(average_rate=Fraction(1, 10**9), guessed_rate=Fraction(2**31))
    assert source._rate(slow) == 25
    slow.guessed_rate = Fraction(30)
    assert source._rate(slow) == 30
