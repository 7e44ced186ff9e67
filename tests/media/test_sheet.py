"""A sheet shows every clip from its first to its last frame."""

import pytest
import torch

from kineograph.errors import MediaError
from kineograph.media.sheet import caption, contact_sheet, side_by_side


def clip(count, *levels, size=(16, 24)):
    """Frames of one grey each; the given levels repeat."""
    greys = torch.tensor([levels[i % len(levels)] for i in range(count)], dtype=torch.uint8)
    return greys.view(-1, 1, 1, 1).expand(count, *size, 3).contiguous()


def test_rows_show_first_and_last_frames():
    frames = torch.cat([clip(1, 10), clip(7, 100), clip(1, 200)])
    sheet = contact_sheet([frames, frames], columns=3, height=16)
    assert sheet.shape == (2 * 20, 3 * 28 + 4, 3)
    middle = sheet[8, :, 0]
    assert [int(middle[4 + 28 * i + 12]) for i in range(3)] == [10, 100, 200]


def test_a_short_clip_leaves_its_row_empty():
    sheet = contact_sheet([clip(1, 10)], columns=2, height=16)
    assert int(sheet[8, 16, 0]) == 10
    assert int(sheet[8, 44, 0]) == 255


def test_labels_take_a_line_each():
    clips = [clip(2, 10), clip(2, 20)]
    bare, labelled = (
        contact_sheet(clips, height=16),
        contact_sheet(clips, ["one", "two"], height=16),
    )
    assert labelled.shape[0] == bare.shape[0] + 2 * caption("one", 100).shape[0]
    with pytest.raises(MediaError, match="2 clips, 1 labels"):
        contact_sheet(clips, ["one"])


def test_text_is_drawn_and_cut_where_it_is_too_long():
    short, long = caption("red ball", 120), caption("red ball " * 40, 120)
    assert short.shape == long.shape
    assert int(short.min()) < 100
    assert not torch.equal(short, long)
    assert (long[:, -4:] == 255).all()


def test_two_videos_stand_side_by_side():
    pair = side_by_side(clip(3, 10), clip(2, 90, 200, size=(8, 8)))
    assert pair.shape == (3, 16, 24 + 4 + 16, 3)
    assert pair[:, 8, 4, 0].tolist() == [10, 10, 10]
    assert pair[:, 8, 36, 0].tolist() == [90, 200, 200]  # the shorter one waits


def test_labels_stand_above_both():
    bare = side_by_side(clip(2, 10), clip(2, 20))
    pair = side_by_side(clip(2, 10), clip(2, 20), ("left", "right"))
    assert torch.equal(pair[:, -16:], bare)
    assert int(pair[0, :-16, :24].min()) < 100 > int(pair[0, :-16, 28:].min())
