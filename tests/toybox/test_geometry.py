"""Depth, positions, flow and other views agree with the pictures and with each other."""

import random
from dataclasses import replace

import pytest
import torch

from kineograph.toybox import drawing
from kineograph.toybox.camera import view
from kineograph.toybox.geometry import controls, depth, flow, motion_score, positions
from kineograph.toybox.motion import pose
from kineograph.toybox.render import render, times
from kineograph.toybox.scene import Camera, Floor, Motion, Scene, Toy
from kineograph.toybox.views import views
from kineograph.toybox.world import sample_scene

SMALL = (48, 48)


def scene(*toys: Toy, camera: Camera | None = None) -> Scene:
    floor = Floor(kind="wooden")
    return Scene(level=2, seed=0, toys=toys, floor=floor, camera=camera or Camera())


def ball(motion: Motion = "still", amount: float = 0.0, x: float = 0.0, z: float = 0.0) -> Toy:
    return Toy(
        shape="ball",
        colour="red",
        size="medium",
        radius=0.75,
        x=x,
        z=z,
        motion=motion,
        amount=amount,
    )


def centre(mask: torch.Tensor) -> torch.Tensor:
    """Mean x and y of a mask's pixels."""
    rows, cols = torch.nonzero(mask, as_tuple=True)
    return torch.stack([cols.double().mean() + 0.5, rows.double().mean() + 0.5])


def test_depth_is_positive_and_infinite_in_the_sky_only() -> None:
    away = depth([scene(ball())], times(1, 1), SMALL)[0, 0]
    assert (away > 0).all()
    sky = torch.isinf(away)
    assert sky[0].all()
    assert not sky[20:].any()
    assert (away[-1] < away[24]).all()


def test_a_toy_is_nearer_than_the_floor_behind_it() -> None:
    shown = scene(ball())
    with_toy = depth([shown], times(1, 1), SMALL)[0, 0]
    without = depth([scene(ball(x=50.0))], times(1, 1), SMALL)[0, 0]
    mask = render([shown], times(1, 1), SMALL, supersample=1).masks[0, 0] > 0
    assert torch.equal(with_toy < without, mask)
    assert torch.equal(with_toy[~mask], without[~mask])


def test_depth_is_measured_along_the_axis() -> None:
    """The middle of a ball is nearer than its centre by its radius."""
    shown = scene(ball())
    place = positions(shown, times(1, 1), SMALL)[0, 0]
    away = depth([shown], times(1, 1), SMALL)[0, 0, int(place[1]), int(place[0])]
    assert abs(float(place[2]) - 0.75 - float(away)) < 0.03


def test_positions_follow_the_masks() -> None:
    for seed in range(12):
        shown = sample_scene(1, seed)
        if shown.toys[0].shape != "ball":
            continue
        masks = render([shown], times(5, 2), (96, 96)).masks[0]
        where = positions(shown, times(5, 2), (96, 96))[:, 0, :2]
        seen = torch.stack([centre(mask) for mask in masks])
        assert (where - seen).norm(dim=-1).max() < 1.5


def test_flow_moves_a_toys_pixels_as_far_as_the_toy() -> None:
    shown = scene(replace(ball("left", 2.0, x=1.0), shape="cube"))
    moments = times(3, 4)
    moved = flow(shown, moments, SMALL)
    masks = render([shown], moments, SMALL).masks[0] > 0
    step = centre(masks[1]) - centre(masks[0])
    assert moved.shape == (2, *SMALL, 2)
    assert (moved[0][masks[0]].mean(dim=0).double() - step).norm() < 0.6
    assert moved[0][~masks[0]].abs().median() == 0


def test_flow_carries_the_picture_to_the_next_one() -> None:
    """Under a moving camera, what flow points at has the colour that was there before."""
    shown = scene(ball(), camera=Camera(move="pan left", amount=0.3))
    moments = torch.tensor([0.0, 0.5])
    video = render([shown], moments, (96, 96), supersample=4).video[0].float()
    moved = flow(shown, moments, (96, 96))[0]
    rows, cols = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    x, y = (cols + moved[..., 0]).round().long(), (rows + moved[..., 1]).round().long()
    inside = (x >= 0) & (x < 96) & (y >= 0) & (y < 96)
    aimed = video[1][y.clamp(0, 95), x.clamp(0, 95)]
    moving = (video[0] - aimed).abs().amax(dim=-1)[inside]
    resting = (video[0] - video[1]).abs().amax(dim=-1)[inside]
    assert moving.median() < 6
    assert moving.mean() < 0.7 * resting.mean()


def test_a_still_clip_has_no_motion_and_a_quick_one_has_more() -> None:
    moments = times(9, 8)
    scores = [
        motion_score(scene(ball("left", amount, x=0.8)), moments, (64, 64))
        for amount in (0.0, 0.8, 1.6)
    ]
    assert scores[0] == pytest.approx(0, abs=1e-9)
    assert scores[2] == pytest.approx(2 * scores[1], rel=0.15)
    assert motion_score(scene(ball()), times(1, 8), (64, 64)) == 0


def test_the_motion_score_counts_pixels() -> None:
    shown = scene(ball("left", 1.6, x=0.8))
    small, large = (motion_score(shown, times(9, 8), size) for size in ((64, 64), (128, 128)))
    assert large == pytest.approx(2 * small, rel=0.02)


def test_controls_say_score_and_camera() -> None:
    shown = scene(ball(), camera=Camera(move="pan left", amount=0.4))
    score = motion_score(shown, times(17, 8), (128, 128))
    text = controls(shown, times(17, 8), (128, 128))
    assert text == f"motion score: {round(score)}. camera motion: pan left."
    assert score > 1


def test_matrices_project_like_the_camera() -> None:
    camera = Camera(move="circle", amount=0.8)
    moments = times(5, 2)
    seen = view(camera, moments, 2.0)
    points = torch.tensor([[0.3, 0.7, -0.4]], dtype=torch.float64).expand(5, 3)
    whole = torch.cat([points, torch.ones(5, 1, dtype=torch.float64)], dim=1)
    local = (seen.world_to_camera() @ whole[..., None])[:, :3]
    pixels = (seen.intrinsics((40, 60)) @ local)[..., 0]
    expected = seen.project(points, (40, 60))
    assert torch.allclose(pixels[:, :2] / pixels[:, 2:], expected[:, :2])
    assert torch.allclose(pixels[:, 2], expected[:, 2])


def test_camera_axes_are_a_rotation() -> None:
    for move in ("pan left", "tilt down", "circle", "zoom in"):
        camera = Camera(move=move, amount=0.5)  # type: ignore[arg-type]
        axes = view(camera, times(3, 1), 2.0).axes
        assert torch.allclose(axes @ axes.transpose(1, 2), torch.eye(3, dtype=torch.float64))
        assert torch.allclose(torch.linalg.det(axes), torch.ones(3, dtype=torch.float64))


def test_views_show_the_same_ball_where_their_cameras_say() -> None:
    shown = scene(ball(x=0.6, z=0.3))
    around = views(shown, 0.0, (-2.5, -0.8, 0.0, 0.8, 3.1), (96, 96))
    middle = pose(shown.toys[0], torch.zeros(1), 2.0).centre
    expected = around.cameras.project(middle.expand(5, 3), (96, 96))[:, :2]
    seen = torch.stack([centre(mask > 0) for mask in around.masks])
    assert (seen - expected).norm(dim=-1).max() < 1.5
    assert (expected[1:] - expected[:1]).norm(dim=-1).min() > 3


def test_the_view_from_the_front_is_the_cameras_own() -> None:
    shown = replace(drawing.toys_and_cameras(random.Random(3), 3), camera=Camera())
    around = views(shown, 0.75, (0.0,), SMALL)
    own = render([shown], torch.tensor([0.75]), SMALL)
    assert torch.equal(around.video[0], own.video[0, 0])
