"""Dropout takes captions away and gives first frames as often as it says."""

import pytest
import torch

from kineograph.conditioning.dropout import FirstFrame, TextDropout
from kineograph.types import TextEmbedding


def draws(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_dropped_captions_become_the_null_caption_whole():
    text = TextEmbedding(torch.ones(4000, 2, 1), None, torch.ones(4000, 3))
    mask = torch.tensor([True, False]).expand(4000, 2)
    empty = TextEmbedding(torch.zeros(4000, 2, 1), mask, torch.zeros(4000, 3))
    found = TextDropout(probability=0.25)(text, empty, draws)
    dropped = found.tokens[:, 0, 0] == 0
    assert dropped.float().mean() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(found.pooled[:, 0] == 0, dropped)
    assert torch.equal(~found.mask[:, 1], dropped)


@pytest.mark.parametrize(("frames", "share"), [(3, 0.25), (1, 0.0)])
def test_a_share_of_the_clips_know_their_first_frame(frames, share):
    latents = torch.ones(4000, 2, frames, 1, 1)
    known = FirstFrame(probability=0.25)(latents, draws)
    assert known.strength[:, 0, 0].mean() == pytest.approx(share, abs=0.03)
    assert known.strength[:, :, 1:].sum() == 0
    assert torch.equal(known.latents, latents * known.strength)


def test_known_first_frames_may_be_noised_a_little():
    latents = torch.ones(4000, 2, 3, 1, 1)
    known = FirstFrame(probability=1.0, noisiest=0.2)(latents, draws)
    times = 1.0 - known.strength[:, 0, 0].flatten()
    assert times.mean() == pytest.approx(0.1, abs=0.01)
    assert times.min() >= 0.0 and times.max() <= 0.2
    assert (known.latents[:, :, 0] == 1.0).all()  # the objective noises them, nobody else
