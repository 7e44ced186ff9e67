"""The camera's move is found by what the floor does, and toys are laid back into the world."""

import math
from dataclasses import replace

import pytest
import torch

from kineograph.evaluation.reading import VALUES
from kineograph.evaluation.reading_camera import MOVES, Views, explain, hypotheses
from kineograph.evaluation.reading_clips import MOMENTS, describe
from kineograph.evaluation.reading_floor import NUMBERS, SERIES, TALL, back, told
from kineograph.toybox.camera import view
from kineograph.toybox.motion import HALF
from kineograph.toybox.render import render
from kineograph.toybox.scene import Camera
from kineograph.toybox.world import sample_scene

SCENE = sample_scene(2, 5)
TIMES = torch.linspace(0, SCENE.seconds, MOMENTS, dtype=torch.float64)
AMOUNTS = {"static": 0.0, "circle": 1.1, "zoom in": 1.6, "zoom out": 1.6}


@pytest.mark.parametrize("move", VALUES["camera"])
def test_the_move_that_was_made_explains_a_patterned_floor_best(move: str) -> None:
    amount = AMOUNTS.get(move, 0.24 if "tilt" in move else 0.34)
    camera = Camera(move=move, amount=amount, distance=5.5, height=2.5)
    gone = (replace(SCENE.toys[0], x=1000.0, z=1000.0),)
    scene = replace(SCENE, camera=camera, floor=replace(SCENE.floor, kind="checkered"), toys=gone)
    video = render([scene], TIMES, (64, 64)).video
    found = explain(video.movedim(-1, 2).float() / 127.5 - 1, [[]])
    assert MOVES[int(found.cost[0].argmin())][0] == move
    row = int(found.choice[0, VALUES["camera"].index(move)]) // 3
    assert MOVES[row][1] == pytest.approx(amount, abs=0.13)


@pytest.mark.parametrize("shape", VALUES["shape"])
def test_a_toy_that_stands_on_the_floor_is_laid_back_to_its_place(shape: str) -> None:
    camera = Camera(move="circle", amount=1.0, distance=5.55, height=2.5)
    seen = view(camera, TIMES, SCENE.seconds)
    radius, tall = 0.4, HALF[shape][1]
    centre = torch.tensor([0.7, radius * tall, -0.5], dtype=torch.float64)
    at = seen.project(centre.expand(MOMENTS, 1, 3), (1, 1))[:, 0]
    place = torch.stack([at[:, 0], at[:, 1], radius * seen.focal / at[:, 2]], -1).float()
    views = Views(*(part[None].float() for part in (seen.origin, seen.axes, seen.focal)))
    series = back(place[None, None], TALL[None, [VALUES["shape"].index(shape)]], views)
    assert series.shape == (1, 1, MOMENTS, SERIES)
    torch.testing.assert_close(
        series[0, 0, :, :3], torch.tensor([0.7, -0.5, math.log(radius)]).expand(MOMENTS, 3),
        rtol=0, atol=0.03,
    )  # fmt: skip


def test_the_numbers_of_a_way_say_where_it_goes() -> None:
    line = torch.linspace(-1, 1, MOMENTS)
    series = torch.stack([2 * line, line**2, torch.zeros(MOMENTS)], -1)
    numbers = told(series).reshape(3, MOMENTS + NUMBERS)[:, MOMENTS:]
    mean, spread, slope, bend, off_line, off_bend = numbers.unbind(-1)
    torch.testing.assert_close(slope, torch.tensor([2.0, 0.0, 0.0]))
    torch.testing.assert_close(bend, torch.tensor([0.0, 1.0, 0.0]), atol=1e-5, rtol=0)
    assert spread[0] == 4.0 and abs(float(mean[0])) < 1e-6
    assert off_line[1] > 0.2 and off_bend[1] < 2e-3


def test_a_toy_that_spins_turns_and_one_that_stands_does_not() -> None:
    def turns(motion: str) -> torch.Tensor:
        amount = 1.0 if motion == "spin" else 0.0
        toy = replace(SCENE.toys[0], shape="cube", motion=motion, amount=amount, impact=None)
        scene = replace(SCENE, toys=(toy,), camera=replace(SCENE.camera, move="static", amount=0.0))
        yaw = describe(scene, TIMES)[3][:, 0].diff()
        return torch.remainder(yaw + math.pi, 2 * math.pi) - math.pi

    assert turns("still").abs().max() < 1e-5
    spun = turns("spin")
    assert spun.abs().min() > 0.1 and (spun - spun[0]).abs().max() < 1e-3


def test_every_move_is_tried_at_every_height() -> None:
    assert len(hypotheses().focal) == 3 * len(MOVES)
    assert {move for move, _ in MOVES} == set(VALUES["camera"])
