"""Line drawings have lines where the picture has edges."""

import random

import torch

from kineograph.toybox import drawing
from kineograph.toybox.edges import canny, sketch
from kineograph.toybox.render import render, times


def square() -> torch.Tensor:
    picture = torch.full((32, 32, 3), 40, dtype=torch.uint8)
    picture[8:24, 8:24] = 200
    return picture


def test_a_square_becomes_its_outline() -> None:
    edges = canny(square()) > 0
    rows, cols = torch.nonzero(edges, as_tuple=True)
    assert {int(rows.min()), int(cols.min())} <= {7, 8}
    assert {int(rows.max()), int(cols.max())} <= {23, 24}
    assert not edges[11:21, 11:21].any()
    assert not edges[:6].any()
    for line in (edges[16], edges[:, 16]):
        assert 2 <= int(line.sum()) <= 4


def test_a_plain_picture_has_no_lines() -> None:
    plain = torch.full((2, 16, 16, 3), 90, dtype=torch.uint8)
    assert not canny(plain).any()
    assert (sketch(plain) == 255).all()


def test_weak_edges_stay_only_beside_strong_ones() -> None:
    picture = torch.full((32, 32, 3), 100, dtype=torch.uint8)
    picture[16:] = 160
    assert not canny(picture, low=10, high=1000).any()
    assert canny(picture, low=10, high=20).any()


def test_drawings_keep_the_shape_of_a_video() -> None:
    scene = drawing.one_toy(random.Random(0), 0)
    video = render([scene], times(3, 8), (24, 40)).video
    for drawn in (canny(video), sketch(video)):
        assert drawn.shape == video.shape[:-1]
        assert drawn.dtype == torch.uint8
