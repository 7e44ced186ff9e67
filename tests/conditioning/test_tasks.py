"""A task gives what it says and nothing else."""

import pytest
import torch

from kineograph.conditioning.facts import Facts
from kineograph.conditioning.keyframes import Item
from kineograph.conditioning.tasks import every_other, image_to_video, lay
from kineograph.errors import ConfigError


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


def picture(value: float, count: int = 1) -> torch.Tensor:
    return torch.full((1, 3, count, 2, 2), float(value))


def values(items: list[Item], frames: int) -> list[tuple[float, float]]:
    """Pixel value and strength of each frame."""
    given = lay(items, frames)
    return list(
        zip(
            given.frames[0, 0, :, 0, 0].tolist(),
            given.strength[0, 0, :, 1, 1].tolist(),
            strict=True,
        )
    )


def test_first_last_and_key_frames_lie_where_they_belong():
    items = [Item(picture(1), 0, 1.0), Item(picture(3), -1, 0.5), Item(picture(2), 2, 1.0)]
    assert values(items, 5) == [(1, 1), (0, 0), (2, 1), (0, 0), (3, 0.5)]


def test_a_clip_to_go_on_with_leads():
    assert values([Item(picture(1, 3), 0, 1.0)], 5) == [(1, 1)] * 3 + [(0, 0)] * 2


def test_every_other_frame_leaves_room_between():
    clip = torch.arange(3.0).view(1, 1, 3, 1, 1).expand(1, 3, 3, 2, 2)
    assert values(every_other(clip, 2, 1.0), 5) == [(0, 1), (0, 0), (1, 1), (0, 0), (2, 1)]


@pytest.mark.parametrize(
    ("items", "complaint"),
    [
        ([Item(picture(1), 5, 1.0)], "frame 5 of a video of 5: expected 0 to 4; nearest start: 4"),
        ([Item(picture(1, 4), 3, 1.0)], "frames 3 to 6.*nearest start: 1"),
        ([Item(picture(1), 0, 1.5)], "strength 1.5: expected 0 to 1; nearest: 1"),
        ([Item(picture(1), 4, 1.0), Item(picture(1), -1, 1.0)], "frame 4 is given twice"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_nearest(items, complaint):
    with pytest.raises(ConfigError, match=complaint):
        lay(items, 5)
