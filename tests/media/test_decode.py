"""Reading gives the right frames, upright, in the right colours, or says what is wrong."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from kineograph.errors import MediaError
from kineograph.media.decode import read_image, read_video
from kineograph.media.sampling import pictures

RED, GREEN, BLUE, GREY, BROWN = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (200, 120, 40),
)  # fmt: skip
LUMA = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # matrix: red's, blue's share


def stored(colour, space, full):
    """The 8-bit luma and chromas of a colour, after ITU-T H.273."""
    red_share, blue_share = LUMA[space]
    red, green, blue = (value / 255 for value in colour)
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    chroma = (blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share)
    if full:
        return tuple(min(255, round(v)) for v in (255 * luma, *(128 + 255 * c for c in chroma)))
    return tuple(round(v) for v in (16 + 219 * luma, *(128 + 224 * c for c in chroma)))


def corner(index, size):
    """Black, with the top left quarter red."""
    picture = np.zeros((*size, 3), np.uint8)
    picture[: size[0] // 2, : size[1] // 2, 0] = 255
    return picture


def noise(index, size):
    """Another picture of coarse noise for each frame."""
    coarse = np.random.default_rng(index).integers(0, 256, (4, 6, 1), np.uint8)
    return np.ascontiguousarray(np.repeat(coarse.repeat(8, 0).repeat(8, 1), 3, 2))


def packets(path):
    """Where each packet lies: (begin, size)."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size]


def test_all_frames_come_in_order(make, numbers):
    clip = read_video(make("clip.mp4"))
    assert clip.frames.shape == (20, 32, 48, 3)
    assert clip.frames.dtype == torch.uint8
    assert numbers(clip.frames) == list(range(20))
    assert (clip.fps, clip.lost) == (10.0, 0)
    assert torch.allclose(clip.times, torch.arange(20, dtype=torch.float64) / 10)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("options", [{"g": "100"}, {"g": "5", "bf": "2"}, {"bf": "0", "g": "3"}])
def test_a_start_is_exact_whatever_the_key_frames(make, numbers, name, options):
    path = make(name, options=options)
    first = [numbers(read_video(path, start=i / 10, frames=2).frames)[0] for i in range(20)]
    assert first == list(range(20))


def test_a_start_is_counted_from_the_first_frame(make, numbers):
    late = make("late.mkv", stamps=[1075 + 100 * i for i in range(10)])
    clip = read_video(late, start=0.3, frames=2)
    assert numbers(clip.frames) == [3, 4]
    assert clip.times.tolist() == pytest.approx([0.3, 0.4])


def test_a_start_behind_the_end_is_refused(make):
    with pytest.raises(MediaError, match="start 5 s lies behind the last frame"):
        read_video(make("clip.mp4"), start=5.0)


def test_the_rate_is_changed_by_the_nearest_frames(make, numbers):
    path = make("clip.mp4")
    assert numbers(read_video(path, fps=5.0).frames) == list(range(0, 20, 2))
    assert numbers(read_video(path, fps=20.0, frames=6).frames) == [0, 0, 1, 1, 2, 2]
    assert numbers(read_video(path, fps=5.0, start=1.0, frames=2).frames) == [10, 12]


def test_uneven_times_are_kept_or_made_even(make, numbers):
    path = make("uneven.mkv", fps=25, stamps=[0, 40, 120, 160, 240, 280])
    own, even = read_video(path), read_video(path, fps=25.0)
    assert own.times.tolist() == pytest.approx([0.0, 0.04, 0.12, 0.16, 0.24, 0.28])
    assert own.fps == pytest.approx(5 / 0.28)
    assert numbers(even.frames) == [0, 1, 1, 2, 3, 3, 4, 5]
    assert even.fps == 25.0


def test_reading_stops_where_the_video_ends(make):
    assert len(read_video(make("clip.mp4", count=5), frames=9).frames) == 5


def test_a_long_video_is_read_whole_though_its_file_says_nothing(make, numbers):
    clip = read_video(make("clip.mkv", count=40, fps=100))
    assert numbers(clip.frames) == [*range(20), *range(20)]


@pytest.mark.parametrize(
    ("matrix", "row", "column"),
    [
        ((0, 1, -1, 0), 0, -1),  # clockwise: top left goes to the top right
        ((-1, 0, 0, -1), -1, -1),
        ((0, -1, 1, 0), -1, 0),
        ((-1, 0, 0, 1), 0, -1),  # mirrored
        ((0, 1, 1, 0), 0, 0),  # transposed
    ],
)
def test_frames_are_upright(make, matrix, row, column):
    path = make("clip.mp4", count=1, paint=corner)
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    frame = read_video(path).frames[0]
    assert frame.shape == ((48, 32, 3) if a == 0 else (32, 48, 3))
    assert frame[row, column, 0] > 200
    assert sum(int(frame[y, x, 0] > 200) for y in (0, -1) for x in (0, -1)) == 1


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("space", LUMA)
def test_colours_follow_matrix_and_range(make, space, full):
    colours = [RED, GREEN, BLUE, GREY, BROWN]
    planes = [stored(colour, space, full) for colour in colours]
    path = make(
        "colours.mkv", codec="ffv1", count=5, planes=planes, color_range=2 if full else 1,
        color_space=space,
    )  # fmt: skip
    seen = read_video(path).frames[:, 16, 24].int()
    assert (seen - torch.tensor(colours)).abs().max() <= 2


@pytest.mark.parametrize(("size", "space"), [((576, 720), 6), ((720, 1280), 1)])
def test_untagged_colours_are_those_of_their_size(make, size, space):
    path = make(
        "untagged.mkv", codec="ffv1", count=1, size=size, planes=[stored(BROWN, space, False)],
        color_range=0, color_space=2,
    )  # fmt: skip
    seen = read_video(path).frames[0, 16, 24].int()
    assert (seen - torch.tensor(BROWN)).abs().max() <= 2


def test_ten_bits_become_eight(make):
    planes = [(64, 512, 512), (940, 512, 512), (502, 512, 512)]
    path = make("deep.mkv", codec="ffv1", pixel_format="yuv420p10le", count=3, planes=planes)
    assert read_video(path).frames[:, 16, 24, 0].tolist() == [0, 255, 128]


def test_flat_pixels_are_made_square(make):
    clip = read_video(make("wide.mp4", count=2, aspect=Fraction(2)))
    assert clip.frames.shape == (2, 32, 96, 3)


def test_transparent_parts_of_a_video_are_white(make):
    planes = [(grey, 128, 128, alpha) for grey, alpha in ((16, 255), (16, 0), (16, 128))]
    path = make("clear.mkv", codec="ffv1", pixel_format="yuva420p", count=3, planes=planes)
    assert read_video(path).frames[:, 16, 24, 0].tolist() == [0, 255, 127]


def test_a_size_is_met_while_reading(make, numbers):
    clip = read_video(make("clip.mp4", count=3), size=(16, 20))
    assert clip.frames.shape == (3, 16, 20, 3)
    assert numbers(clip.frames) == [0, 1, 2]


def test_a_damaged_frame_costs_those_up_to_the_next_key_frame(make):
    options = {"g": "5", "bf": "0", "sc_threshold": "0"}
    path = make("clip.mp4", paint=noise, options=options)
    whole = read_video(path)
    begin, _ = packets(path)[7]
    data = bytearray(path.read_bytes())
    data[begin : begin + 4] = b"\xff" * 4
    path.write_bytes(data)
    clip = read_video(path)
    kept = [*range(7), *range(10, 20)]
    assert clip.lost == 3
    assert clip.times.tolist() == pytest.approx([i / 10 for i in kept])
    assert torch.equal(clip.frames, whole.frames[kept])


def test_of_a_cut_off_file_the_beginning_is_read(make):
    path = make("clip.mkv", paint=noise, options={"bf": "0"})
    whole = read_video(path)
    begin, size = packets(path)[12]
    path.write_bytes(path.read_bytes()[: begin + size // 2])
    clip = read_video(path)
    assert 11 <= len(clip.frames) <= 12
    assert torch.equal(clip.frames, whole.frames[: len(clip.frames)])


def test_a_file_without_its_table_is_no_video(make):
    path = make("clip.mp4", paint=noise)
    path.write_bytes(path.read_bytes()[:-200])  # the table stands at the end
    with pytest.raises(MediaError, match=r"clip\.mp4: not a video that can be read"):
        read_video(path)


@pytest.mark.parametrize(("name", "value"), [("frames", 0), ("fps", 0.0), ("start", -1.0)])
def test_senseless_wishes_are_refused(make, name, value):
    with pytest.raises(MediaError, match=f"{name} {value:g}.*: expected"):
        read_video(make("clip.mp4", count=2), **{name: value})


def test_pictures_come_one_by_one_and_may_be_left_early(make):
    path = make("clip.mp4")
    stream = pictures(path, fps=5.0, size=(8, 8))
    assert [round(next(stream).time, 3) for _ in range(3)] == [0.0, 0.2, 0.4]
    stream.close()
    path.unlink()


def test_a_picture_is_upright(tmp_path):
    picture = Image.fromarray(corner(0, (32, 48)))
    exif = Image.Exif()
    exif[274] = 6  # shown turned clockwise
    picture.save(tmp_path / "turned.png", exif=exif)
    seen = read_image(tmp_path / "turned.png")
    assert seen.shape == (48, 32, 3)
    assert seen[0, -1].tolist() == [255, 0, 0]
    assert seen[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_of_a_picture_are_white(tmp_path, mode):
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 2, 4))
    clear.convert(mode).save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png")[0, :, 0].tolist() == [0, 0, 255, 255]


def test_sixteen_bits_of_grey_are_scaled(tmp_path):
    grey = np.array([[0, 32768, 65535]], np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    assert read_image(tmp_path / "deep.png")[0, :, 1].tolist() == [0, 128, 255]


def test_what_is_no_picture_is_named(make, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(MediaError, match=r"text\.png: not a picture that can be read"):
        read_image(tmp_path / "text.png")
    with pytest.raises(MediaError, match="there is no such file"):
        read_image(tmp_path / "missing.png")
    Image.fromarray(noise(0, (32, 48))).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:60])
    with pytest.raises(MediaError, match=r"cut\.png: the picture is damaged"):
        read_image(tmp_path / "cut.png")
