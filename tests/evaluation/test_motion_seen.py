"""Flow, paths and steadiness are what the renderer knows they are."""

from dataclasses import replace

import pytest
import torch

from kineograph.evaluation.flow import amount, flow
from kineograph.evaluation.paths import path_error, seen_path, true_clip
from kineograph.evaluation.physics import follow, law
from kineograph.evaluation.prompts import load
from kineograph.evaluation.steadiness import flicker, roughness, seam, seam_to_rest, steps
from kineograph.toybox import geometry
from kineograph.toybox.motion import GRAVITY
from kineograph.toybox.render import render, times
from kineograph.toybox.world import sample_scene

MOMENTS, SIZE = times(17, 8), (64, 64)


def scene_of(motion, shape="cube", **change):
    """A level-1 scene of this motion, with other numbers of its toy."""
    seeds = range(700_000_000, 700_010_000)
    every = (sample_scene(1, seed, held_out=None) for seed in seeds)
    found = next(s for s in every if (s.toys[0].motion, s.toys[0].shape) == (motion, shape))
    return replace(found, toys=(replace(found.toys[0], colour="red", **change),))


def clip_of(scene, moments=MOMENTS):
    return render([scene], moments, SIZE).video[0]


@pytest.mark.parametrize("motion", ["left", "right", "bounce"])
def test_flow_is_the_renderers_on_the_toy(motion):
    scene = scene_of(motion)
    drawn = render([scene], MOMENTS, SIZE)
    on_toy = drawn.masks[0][:-1] > 0
    true = geometry.flow(scene, MOMENTS, SIZE)[on_toy]
    found = flow(drawn.video[0])[on_toy]
    assert float(true.norm(dim=-1).mean()) > 1
    assert float((found - true).norm(dim=-1).mean()) < 0.35 * float(true.norm(dim=-1).mean())


def test_flow_has_the_direction_and_length_of_a_shift():
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 12, 12, generator=draw) * 255
    picture = torch.nn.functional.interpolate(coarse, (64, 64), mode="bicubic").clamp(0, 255)
    frame = picture[0].permute(1, 2, 0).to(torch.uint8)
    pair = torch.stack([frame, frame.roll((2, -3), (0, 1))])  # 2 down, 3 to the left
    middle = flow(pair)[0, 12:-12, 12:-12].mean((0, 1))
    assert middle.tolist() == pytest.approx([-3.0, 2.0], abs=0.25)


def test_half_the_speed_is_half_the_flow():
    scene = scene_of("left")
    whole, half = amount(clip_of(scene)), amount(clip_of(scene, MOMENTS / 2))
    assert half / whole == pytest.approx(0.5, abs=0.2)
    assert amount(clip_of(scene)[:1]) == 0
    assert amount(clip_of(scene_of("still"))) == 0


def test_noise_is_no_motion():
    still = clip_of(scene_of("still")).float()
    noise = 3 * torch.randn(still.shape, generator=torch.Generator().manual_seed(0))
    noisy = (still + noise).clamp(0, 255).to(torch.uint8)
    assert amount(noisy) < 0.1 * amount(clip_of(scene_of("left")))


def test_a_toy_is_seen_where_it_is():
    truth = true_clip(scene_of("left"), 17, 8, SIZE)
    true = truth.path()
    assert path_error(truth.seen, true, 32) < 0.6
    assert path_error(seen_path(truth.video.flip(0), truth), truth.seen.flip(0), 32) < 0.05
    held = truth.video[:1].expand(17, -1, -1, -1)
    expected = path_error(true[:1].expand_as(true), true, 32)
    assert expected > 5
    assert path_error(seen_path(held, truth), true, 32) == pytest.approx(expected, abs=0.6)


def test_projected_centres_are_the_masks_for_a_ball():
    scene = scene_of("right", "ball")
    truth = true_clip(scene, 17, 8, SIZE)
    projected = geometry.positions(scene, MOMENTS, SIZE)[..., :2].float()
    assert path_error(truth.path(), projected, 32) < 0.5


def test_a_toy_that_is_gone_is_as_far_as_is_said():
    truth = true_clip(scene_of("right"), 17, 8, SIZE)
    assert seen_path(truth.bare, truth).isnan().all()
    assert path_error(seen_path(truth.bare, truth), truth.seen, 16) == 16


def test_two_toys_have_a_path_each():
    scene = scene_of("left")
    other = replace(scene.toys[0], colour="blue", x=0.2, z=-1.6, motion="still", amount=0.0)
    truth = true_clip(replace(scene, toys=(scene.toys[0], other)), 17, 8, SIZE)
    moved = truth.seen[-1] - truth.seen[0]
    assert moved[0].norm() > 10 and moved[1].norm() < 5  # it is hidden for a while


def test_the_path_of_the_law_follows_it_and_others_do_not():
    [prompt] = [one for one in load(60) if one.asked["motion"] == "bounce"][:1]
    scene = scene_of("bounce", phase=0.1)
    truth = true_clip(scene, 17, 8, SIZE)
    assert law(scene) == "bounce" and law(scene_of("left")) == ""

    def with_path(video):
        return follow(prompt, truth, video, 5, 16.0)

    assert with_path(truth.video).right and with_path(truth.video).error < 0.1
    stopped = torch.cat([truth.video[:5], truth.video[4:5].expand(12, -1, -1, -1)])
    assert not with_path(stopped).right
    assert with_path(stopped).error == pytest.approx(with_path(stopped).stopped, abs=0.3)
    toy = scene.toys[0]
    slow = replace(scene, toys=(replace(toy, amount=toy.amount * 0.4),))  # another gravity
    other = torch.cat([truth.video[:5], clip_of(slow)[5:]])
    assert not with_path(other).right
    assert GRAVITY > 0


def test_a_jump_between_given_and_made_frames_is_a_seam():
    truth = clip_of(scene_of("left"))
    assert seam(truth, truth, range(5)) == 1
    jump = truth.clone()
    jump[5:] = (jump[5:].int() + 20).clamp(max=255).to(torch.uint8)
    assert seam(jump, truth, range(5)) > 1.5
    assert seam(jump, truth, range(9)) == pytest.approx(1, abs=0.05)  # the jump is elsewhere
    assert seam(jump, truth, ()) == 1


def test_a_seam_is_held_against_the_other_steps():
    truth = clip_of(scene_of("left"))
    jump = truth.clone()
    jump[5:] = (jump[5:].int() + 20).clamp(max=255).to(torch.uint8)
    assert seam_to_rest(jump, truth, range(5)) == pytest.approx(
        seam(jump, truth, range(5)), abs=0.1
    )
    flashing = truth.clone()
    flashing[::2] = (flashing[::2].int() + 20).clamp(max=255).to(torch.uint8)  # every step is alike
    assert seam(flashing, truth, range(5)) > 1.5
    assert seam_to_rest(flashing, truth, range(5)) == pytest.approx(1, abs=0.1)
    every_second = range(0, len(truth), 2)
    assert seam_to_rest(jump, truth, ()) == seam_to_rest(jump, truth, every_second) == 1


def test_steps_and_roughness_have_known_sizes():
    video = torch.zeros(5, 12, 12, 3, dtype=torch.uint8)
    video[:] = torch.tensor([0, 10, 20, 30, 40])[:, None, None, None]
    assert steps(video).tolist() == [10.0] * 4
    assert roughness(video) == 0
    video[2] += 6
    assert roughness(video) == pytest.approx((3 + 6 + 3) / 3)
    assert roughness(video[:2]) == 0


def test_flicker_counts_where_the_truth_rests():
    truth = clip_of(scene_of("left"))
    assert flicker(truth, truth) < 1
    blinking = truth.clone()
    blinking[1::2] = (blinking[1::2].int() + 8).clamp(max=255).to(torch.uint8)
    assert flicker(blinking, truth) == pytest.approx(8, abs=1)
    restless = torch.randint(255, truth.shape, generator=torch.Generator().manual_seed(0))
    assert flicker(truth, restless.to(torch.uint8)) is None
