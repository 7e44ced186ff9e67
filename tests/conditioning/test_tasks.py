"""A task gives what it says and nothing else."""

import torch

from kineograph.conditioning.facts import Facts
from kineograph.conditioning.tasks import image_to_video


def test_image_to_video_gives_the_first_frame_alone():
    image = torch.rand(2, 3, 1, 4, 6)
    given = image_to_video(image, 5)
    assert given.frames.shape == (2, 3, 5, 4, 6) and given.strength.shape == (2, 1, 5, 4, 6)
    assert torch.equal(given.frames[:, :, :1], image)
    assert given.strength[:, :, 0].min() == 1.0 and given.strength[:, :, 1:].max() == 0.0


def test_facts_are_one_number_for_each_sample():
    told = Facts(fps=8.0, frames=5, height=4, width=6, crop_left=3)
    found = told.tensors(2, torch.device("cpu"))
    assert {name: value.tolist() for name, value in found.items()} == {
        "fps": [8.0, 8.0],
        "frames": [5.0, 5.0],
        "height": [4.0, 4.0],
        "width": [6.0, 6.0],
        "crop_top": [0.0, 0.0],
        "crop_left": [3.0, 3.0],
        "stride": [1.0, 1.0],
    }
