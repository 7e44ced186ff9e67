"""Pictures are reproducible, and show what their scene says."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kineograph.toybox import drawing
from kineograph.toybox.geometry import depth
from kineograph.toybox.render import render, times
from kineograph.toybox.scene import (
    Backdrop,
    Camera,
    Colour,
    Floor,
    Motion,
    Scene,
    Shape,
    Toy,
    words,
)
from kineograph.toybox.world import sample_scene

GOLDEN = Path(__file__).parent.parent / "golden" / "toybox" / "level_1.json"
SMALL = (48, 48)


def scene(*toys: Toy, camera: Camera | None = None) -> Scene:
    floor = Floor(kind="grey")
    return Scene(level=2, seed=0, toys=toys, floor=floor, camera=camera or Camera())


def toy(
    shape: Shape = "ball",
    colour: Colour = "red",
    *,
    motion: Motion = "still",
    amount: float = 0.0,
    x: float = 0.0,
    z: float = 0.0,
) -> Toy:
    return Toy(
        shape=shape,
        colour=colour,
        size="medium",
        radius=0.75,
        x=x,
        z=z,
        motion=motion,
        amount=amount,
    )


def candidates(level: int, count: int) -> list[Scene]:
    return [drawing.LEVELS[level](random.Random(seed), seed) for seed in range(count)]


def masks(shown: Scene, frames: int = 9, fps: float = 4.0) -> Tensor:
    return render([shown], times(frames, fps), SMALL).masks[0]


def centre(mask: Tensor) -> tuple[float, float]:
    """Mean row and column of a mask's pixels."""
    rows, cols = torch.nonzero(mask, as_tuple=True)
    return float(rows.float().mean()), float(cols.float().mean())


def test_the_same_scene_gives_the_same_picture() -> None:
    shown = candidates(2, 3)
    first, second = (render(shown, times(3, 2), SMALL) for _ in range(2))
    assert torch.equal(first.video, second.video)
    assert torch.equal(first.masks, second.masks)


def test_company_does_not_change_a_picture() -> None:
    shown = [scene for level in (1, 2, 3) for scene in candidates(level, 4)]
    together = render(shown, times(3, 2), SMALL)
    for row, one in enumerate(shown):
        alone = render([one], times(3, 2), SMALL)
        assert (together.video[row].short() - alone.video[0].short()).abs().max() <= 1
        assert torch.equal(together.masks[row], alone.masks[0])


def test_level_1_pictures_never_change() -> None:
    """Weights are trained on them."""
    for entry in json.loads(GOLDEN.read_text()):
        shown = sample_scene(1, entry["seed"])
        video = render([shown], times(17, 8)[[0, 7, 16]], (64, 64)).video[0]
        tiles = video.float().unfold(1, 16, 16).unfold(2, 16, 16).mean(dim=(-2, -1))
        assert (tiles - torch.tensor(entry["tiles"])).abs().max() < 0.5


@pytest.mark.parametrize("frames", [1, 5, 8, 9, 17])
@pytest.mark.parametrize("size", [(16, 16), (37, 61), (64, 36)])
def test_any_number_of_frames_and_any_size(frames: int, size: tuple[int, int]) -> None:
    drawn = render(candidates(2, 1), times(frames, 24), size)
    assert drawn.video.shape == (1, frames, *size, 3)
    assert drawn.masks.shape == (1, frames, *size)
    assert drawn.video.dtype == drawn.masks.dtype == torch.uint8


def test_time_is_continuous() -> None:
    """A moment's picture does not depend on which others are asked for."""
    for shown in candidates(2, 8):
        sparse = render([shown], torch.tensor([0.5, 1.5]), SMALL).video
        dense = render([shown], times(17, 8), SMALL).video[:, [4, 12]]
        assert (sparse.short() - dense.short()).abs().max() <= 1


@pytest.mark.parametrize("colour", ["red", "green", "blue"])
@pytest.mark.parametrize("shape", words(Shape))
def test_masks_cover_the_colour(shape: Shape, colour: Colour) -> None:
    drawn = render([scene(toy(shape, colour))], times(1, 1), (64, 64))
    mask, video = drawn.masks[0, 0] == 1, drawn.video[0, 0].float()
    channel = {"red": 0, "green": 1, "blue": 2}[colour]
    others = [c for c in range(3) if c != channel]
    excess = video[..., channel] - video[..., others].amax(dim=-1)
    assert (excess[mask] > 20).float().mean() > 0.9
    assert (excess[~mask] < 20).float().mean() > 0.97
    assert 0.02 < mask.float().mean() < 0.2


@pytest.mark.parametrize("shape", words(Shape))
def test_supersampling_refines_the_same_picture(shape: Shape) -> None:
    shown = scene(toy(shape))
    coarse, fine = (
        render([shown], times(1, 1), SMALL, supersample=n).video.float() for n in (2, 6)
    )
    assert (coarse - fine).abs().mean() < 2


@pytest.mark.parametrize(
    ("motion", "down", "right"),
    [("left", 0, -1), ("right", 0, 1), ("towards", 1, 0), ("away", -1, 0), ("rise", -1, 0)],
)
def test_a_toy_goes_where_its_motion_says(motion: Motion, down: int, right: int) -> None:
    for shape in words(Shape):
        start = {"left": (1.2, 0.0), "right": (-1.2, 0.0), "towards": (0.0, -1.2)}
        x, z = start.get(motion, (0.0, 1.0 if motion == "away" else 0.0))
        amount = 1.2 if motion == "rise" else 2.2
        seen = masks(scene(toy(shape, motion=motion, amount=amount, x=x, z=z)))
        path = torch.tensor([centre(mask) for mask in seen])
        steps = path[1:] - path[:-1]
        assert (path[-1] - path[0])[0] * down >= 5 * abs(down)
        assert (path[-1] - path[0])[1] * right >= 10 * abs(right)
        assert (steps[:, 0] * down >= -0.3).all()
        assert (steps[:, 1] * right >= -0.3).all()


@pytest.mark.parametrize(
    ("motion", "amount", "larger"),
    [("towards", 1.5, True), ("grow", 1.7, True), ("away", 1.5, False), ("shrink", 0.5, False)],
)
def test_a_toy_changes_its_size_as_its_motion_says(
    motion: Motion, amount: float, larger: bool
) -> None:
    for shape in words(Shape):
        area = masks(scene(toy(shape, motion=motion, amount=amount))).flatten(1).sum(dim=1).float()
        change = area[-1] / area[0]
        assert (change > 1.3) if larger else (change < 0.8)


def test_a_still_toy_rests() -> None:
    video = render([scene(toy("cube"))], times(5, 2), SMALL).video[0]
    assert torch.equal(video, video[:1].expand_as(video))


def test_a_bounce_comes_back_and_a_fall_stays_down() -> None:
    bounce = masks(scene(toy(motion="bounce", amount=1.0)), frames=17, fps=16)
    rows = torch.tensor([centre(mask)[0] for mask in bounce])
    assert rows.argmin() not in (0, 16)
    assert rows[0] - rows.min() > 5
    fall = masks(scene(toy(motion="fall", amount=1.4)))
    assert centre(fall[-1])[0] - centre(fall[0])[0] > 8
    assert abs(centre(fall[-1])[0] - centre(masks(scene(toy()))[-1])[0]) < 0.5


def test_a_circle_goes_round() -> None:
    seen = masks(scene(toy(motion="circle", amount=0.9)), frames=17, fps=8)
    path = torch.tensor([centre(mask) for mask in seen])
    assert path[:, 1].max() - path[:, 1].min() > 10
    assert path[:, 0].max() - path[:, 0].min() > 3


@pytest.mark.parametrize("shape", ["cube", "ring"])
def test_spin_and_recolouring_show(shape: Shape) -> None:
    spinning = render([scene(toy(shape, motion="spin", amount=0.4))], times(2, 0.5), SMALL).video[0]
    assert (spinning[0] != spinning[1]).any(dim=-1).float().mean() > 0.02
    recoloured = replace(toy(shape, motion="recolour"), becomes="blue")
    drawn = render([scene(recoloured)], times(2, 0.5), SMALL)
    pixels = drawn.video[0].float()[drawn.masks[0] > 0]
    half = len(pixels) // 2
    assert pixels[:half, 0].mean() > pixels[:half, 2].mean() + 30
    assert pixels[half:, 2].mean() > pixels[half:, 0].mean() + 30


def test_marks_show_that_a_ball_rolls() -> None:
    rolling = replace(toy(motion="right", amount=1.0), marked=True)
    plain = replace(rolling, marked=False)
    first, second = (render([scene(one)], times(2, 1), SMALL).video for one in (rolling, plain))
    assert (first.short() - second.short()).abs().amax(dim=-1).gt(20).float().mean() > 0.01


@pytest.mark.parametrize(
    ("move", "amount", "down", "right"),
    [
        ("pan left", 0.3, 0, 1),
        ("pan right", 0.3, 0, -1),
        ("tilt up", 0.25, 1, 0),
        ("tilt down", 0.25, -1, 0),
    ],
)
def test_the_picture_moves_against_the_camera(
    move: drawing.Move, amount: float, down: int, right: int
) -> None:
    seen = masks(scene(toy(), camera=Camera(move=move, amount=amount)))
    (row, col), (last_row, last_col) = centre(seen[0]), centre(seen[-1])
    assert (last_row - row) * down >= 6 * abs(down)
    assert (last_col - col) * right >= 6 * abs(right)


def test_zooms_change_the_size() -> None:
    for move, larger in (("zoom in", True), ("zoom out", False)):
        seen = masks(scene(toy(), camera=Camera(move=move, amount=1.6)))  # type: ignore[arg-type]
        areas = seen.flatten(1).sum(dim=1)
        assert (areas[-1] > 1.8 * areas[0]) == larger
        assert (areas[0] > 1.8 * areas[-1]) != larger


def test_what_is_nearer_hides_what_is_behind() -> None:
    for front in (1, 2):
        places = (0.9, -0.9) if front == 1 else (-0.9, 0.9)
        pair = [toy("ball", "red", z=places[0]), toy("cube", "blue", z=places[1], x=0.3)]
        drawn = render([scene(*pair)], times(1, 1), (64, 64))
        alone = render([scene(pair[front - 1])], times(1, 1), (64, 64)).masks[0, 0] == 1
        assert (drawn.masks[0, 0][alone] == front).all()


def test_painted_masks_agree_with_depth() -> None:
    """The painter's order and the depth of every pixel are computed independently."""
    shown = [one for one in candidates(3, 12) if one.camera.move == "static"]
    for one in shown:
        alone = [
            depth([replace(one, toys=(t,), relation=None)], times(3, 1), SMALL) for t in one.toys
        ]
        nearest = torch.stack(alone)[:, 0].argmin(dim=0) + 1
        floor_only = torch.stack(alone)[:, 0]
        covered = (floor_only.amax(dim=0) - floor_only.amin(dim=0)) > 0.02
        drawn = render([one], times(3, 1), SMALL).masks[0]
        both = covered & (drawn > 0)
        assert (drawn[both] == nearest[both]).float().mean() > 0.98


def test_night_is_darker_than_day() -> None:
    light = [
        render([replace(scene(toy()), backdrop=Backdrop(kind=kind))], times(1, 1), SMALL)
        .video.float()
        .mean()
        for kind in words(drawing.BackdropKind)
    ]
    assert light[0] > light[1] > 1.5 * light[2]


def test_a_toy_casts_a_shadow_away_from_the_light() -> None:
    for azimuth, darker in ((-1.2, "right"), (1.2, "left")):
        base = scene(toy())
        light = replace(base.light, azimuth=azimuth, elevation=0.6)
        lit = replace(base, light=light)
        video = render([lit], times(1, 1), SMALL).video[0, 0].float().mean(dim=-1)
        mask = masks(lit, frames=1)[0] > 0
        bare = render([replace(lit, toys=(toy(x=30.0),))], times(1, 1), SMALL)
        loss = (bare.video[0, 0].float().mean(dim=-1) - video) * ~mask
        middle = int(centre(mask)[1])
        left, right = loss[:, :middle].clamp(min=0).sum(), loss[:, middle:].clamp(min=0).sum()
        assert (right > 2 * left) if darker == "right" else (left > 2 * right)
