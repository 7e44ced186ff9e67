"""Scenes whose caption has a word that nobody can see are not drawn."""

import random
from dataclasses import replace

import pytest
import torch

from kineograph.toybox import drawing
from kineograph.toybox.motion import pose
from kineograph.toybox.rules import apart, changes, distinct, in_view, open_to_view
from kineograph.toybox.scene import Camera, Floor, FloorKind, Impact, Motion, Relation, Scene, Toy
from kineograph.toybox.world import sample_scene


def toy(shape: str = "ball", motion: Motion = "still", amount: float = 0.0, x: float = 0.0) -> Toy:
    return Toy(
        shape=shape,  # type: ignore[arg-type]
        colour="red",
        size="medium",
        radius=0.75,
        x=x,
        z=0.0,
        motion=motion,
        amount=amount,
    )


def scene(*toys: Toy, floor: FloorKind = "grey", camera: Camera | None = None) -> Scene:
    ground = Floor(kind=floor)
    return Scene(level=2, seed=0, toys=toys, floor=ground, camera=camera or Camera())


def invisible(shown: Scene) -> set[str]:
    """The swaps that change fewer than 2 % of the pixels."""
    return {name for name, share in changes(shown).items() if share < 0.02}


def test_every_word_of_a_hundred_level_2_scenes_shows() -> None:
    for seed in range(100):
        shown = sample_scene(2, seed)
        assert in_view(shown)
        assert distinct(shown)


def test_every_word_of_level_3_scenes_shows() -> None:
    for seed in range(6):
        shown = sample_scene(3, seed)
        assert in_view(shown)
        assert apart(shown)
        assert open_to_view(shown)
        assert distinct(shown)


def test_a_plain_ball_cannot_be_seen_to_spin() -> None:
    spinning = toy("ball", "spin", 0.9)
    assert "motion (still) of toy 1" in invisible(scene(spinning))
    assert "motion (still) of toy 1" not in invisible(scene(replace(spinning, marked=True)))
    assert "motion (still) of toy 1" not in invisible(scene(toy("ring", "spin", 0.9)))


def test_sliding_looks_like_a_pan_on_a_plain_floor_only() -> None:
    sliding = toy("ball", "left", 2.0, x=1.0)
    assert "motion (pan right)" in invisible(scene(sliding))
    assert "motion (pan right)" not in invisible(scene(sliding, floor="checkered"))


def test_a_camera_that_circles_a_plain_ball_shows_by_the_floor_only() -> None:
    circling = Camera(move="circle", amount=1.0)
    plain = changes(scene(toy(), camera=circling))["camera (static)"]
    checkered = changes(scene(toy(), floor="checkered", camera=circling))["camera (static)"]
    assert plain < checkered


def test_twins_cannot_be_told_by_their_places() -> None:
    twins = replace(
        scene(toy(x=-1.0), toy(x=1.0)), relation=Relation(kind="left of", first=0, second=1)
    )
    assert "relation" in invisible(twins)
    other = replace(twins, toys=(twins.toys[0], replace(twins.toys[1], colour="blue")))
    assert "relation" not in invisible(other)


def test_toys_out_of_sight_are_noticed() -> None:
    assert in_view(scene(toy()))
    assert not in_view(scene(toy(x=2.4)))
    assert not in_view(scene(toy("ball", "left", 3.5)))


def test_toys_inside_each_other_are_noticed() -> None:
    assert apart(scene(toy(x=-0.8), toy(x=0.8)))
    assert not apart(scene(toy(x=-0.6), toy(x=0.6)))
    assert not apart(scene(toy("ball", "right", 2.0, x=-1.6), toy(x=0.6)))


def test_hidden_toys_are_noticed() -> None:
    front, back = replace(toy("cube"), z=0.8, radius=0.95), replace(toy(), z=-1.2, radius=0.55)
    assert not open_to_view(scene(front, back))
    assert open_to_view(scene(replace(front, x=-1.0), replace(back, x=1.0)))


@pytest.mark.parametrize("seed", range(40))
def test_collisions_keep_momentum_and_touch(seed: int) -> None:
    draw = random.Random(seed)
    shapes = [drawing._toy(draw, "small"), drawing._toy(draw, "medium")]
    first, second = drawing._collision(draw, *shapes)
    assert isinstance(first.impact, Impact)
    assert isinstance(second.impact, Impact)
    way = 1 if first.motion == "right" else -1
    before = way * first.amount / 2.0 * first.radius**3
    after = first.impact.x * first.radius**3 + second.impact.x * second.radius**3
    assert after == pytest.approx(before)
    assert second.impact.x * way > first.impact.x * way
    times = torch.linspace(0, 2, 41, dtype=torch.float64)
    gap = way * (pose(second, times, 2.0).centre - pose(first, times, 2.0).centre)[:, 0]
    assert gap.argmin() == pytest.approx(first.impact.at * 20, abs=1)
    assert gap.min() > 0
