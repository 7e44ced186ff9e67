"""Short texts lay references into a clip."""

import pytest
import torch

from kineograph.conditioning.passages import Passage, lay, parse, pixel_frames, snap
from kineograph.errors import ConfigError


def reference(frames: int) -> torch.Tensor:
    """Each frame carries its number, from 1 on."""
    return torch.arange(1.0, frames + 1).view(1, frames, 1, 1)


def laid(
    text: str, frames: int, *references: torch.Tensor, align: int | None = None
) -> list[float]:
    """What lies in each frame of an empty clip."""
    known = lay(torch.zeros(1, 1, frames, 1, 1), [references], [text], align=align)
    return known.latents.flatten().tolist()


def test_numbers_that_are_left_out_have_defaults():
    assert parse("") == ()
    assert parse("0") == (Passage(),)
    assert parse("0;1,2,-5,0,5,0.4") == (Passage(), Passage(1, 2, -5, 0, 5, 0.4))


@pytest.mark.parametrize("text", ["a", "0,0,0,0,1,0,0", "0,1.5", "0;"])
def test_a_wrong_group_is_shown(text):
    with pytest.raises(ConfigError, match="loop, reference, start in it"):
        parse(text)


def test_an_image_opens_the_clip():
    assert laid("0", 4, reference(1)) == [1, 0, 0, 0]


def test_negative_starts_count_from_the_end():
    assert laid("0,0,-2,-3,2", 5, reference(6)) == [0, 0, 5, 6, 0]


def test_a_passage_ends_where_the_clip_or_the_reference_does():
    assert laid("0,0,0,3,9", 5, reference(6)) == [0, 0, 0, 1, 2]
    assert laid("0,0,4,0,9", 5, reference(6)) == [5, 6, 0, 0, 0]


def test_starts_snap_to_chunks():
    assert [snap(place, 5, 15) for place in (0, 2, 3, 7, 8, 14)] == [0, 0, 5, 5, 10, 10]
    assert laid("0,0,0,-1,1", 15, reference(1), align=5).index(1) == 10


def test_samples_have_their_own_passages_and_what_is_free_stays():
    start = torch.full((2, 1, 3, 1, 1), 9.0)
    known = lay(start, [[reference(1)], []], ["0,0,0,1,1,0.25", ""])
    assert known.latents.flatten().tolist() == [9, 1, 9, 9, 9, 9]
    assert known.strength.flatten().tolist() == [0, 0.75, 0, 0, 0, 0]
    assert (start == 9).all()


def test_passages_of_other_clips_are_left_out():
    known = lay(torch.zeros(1, 1, 3, 1, 1), [[reference(1)]], ["1;0,0,0,2"], loop=1)
    assert known.strength.flatten().tolist() == [1, 0, 0]


def test_chunks_have_seventeen_frames():
    assert [pixel_frames(latents) for latents in (0, 5, 15)] == [0, 17, 51]
    with pytest.raises(ConfigError, match="nearest: 10"):
        pixel_frames(12)
