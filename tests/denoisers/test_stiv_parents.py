"""A STIV model of videos begins as the models that it inherits from."""

from dataclasses import replace

import pytest
import torch

from kineograph.denoisers.stiv import STIV, STIVConfig
from kineograph.denoisers.stiv_parents import along_time, inflated_in, inflated_out, inherit
from kineograph.types import Condition, TextEmbedding

VIDEO = STIVConfig(
    layers=2,
    whole_layers=1,
    heads=2,
    head_width=8,
    channels=3,
    text_width=5,
    pooled_width=6,
    mlp_ratio=2.0,
    micro=("height",),
)
IMAGE = replace(VIDEO, time_patch=1)
TIME = torch.tensor([0.3, 0.8]).view(2, 1, 1, 1, 1)
TOLD = Condition(
    TextEmbedding(torch.randn(2, 3, 5), None, torch.randn(2, 6)), facts={"height": torch.ones(2)}
)


def trained(config: STIVConfig, seed: int) -> STIV:
    torch.manual_seed(seed)
    built = config.build().eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built


@torch.no_grad()
def test_a_model_of_videos_first_says_of_still_clips_what_the_images_model_said():
    image, child = trained(IMAGE, 1), VIDEO.build().eval()
    inherit(child, image.state_dict())
    picture = torch.randn(2, 3, 1, 4, 4)
    said = image(picture, TIME, TOLD)
    torch.testing.assert_close(child(picture, TIME, TOLD), said)
    still = child(picture.expand(-1, -1, 4, -1, -1), TIME, TOLD)
    torch.testing.assert_close(still, said.expand(-1, -1, 4, -1, -1))


@torch.no_grad()
def test_time_and_space_may_come_from_different_parents():
    space, time = trained(IMAGE, 1).state_dict(), trained(VIDEO, 2).state_dict()
    child = trained(VIDEO, 3)
    inherit(child, space, time)
    for name, tensor in child.state_dict().items():
        if along_time(name):
            assert torch.equal(tensor, time[name])
        elif tensor.shape == space[name].shape:
            assert torch.equal(tensor, space[name])


def test_only_attention_along_time_is_along_time():
    names = {name for name, _ in VIDEO.build().named_parameters() if along_time(name)}
    assert "blocks.1.time.query.weight" in names and "whole_blocks.0.time_gate" in names
    assert not names & {"time.first.weight", "blocks.0.space.query.weight"}
    assert len(names) == 3 * 11


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_inflation_keeps_what_a_still_clip_gives(frames):
    weight, patch = torch.randn(7, 12), torch.randn(12)
    torch.testing.assert_close(inflated_in(weight, frames) @ patch.repeat(frames), weight @ patch)
    out = inflated_out(weight, frames) @ patch
    torch.testing.assert_close(out.view(frames, 7), (weight @ patch).expand(frames, 7))
    assert inflated_out(torch.randn(7), frames).shape == (7 * frames,)
