"""Every autoencoder computes on one device alone, and there what it computes on a CPU."""

import pytest
import torch
from tests.pretended import Pretended

from kineograph import recipes
from kineograph.types import seeded

LABORATORY = tuple(name for name in recipes.names() if name.startswith("lab-"))


@pytest.mark.parametrize("name", ("toybox", *LABORATORY))
@torch.inference_mode()
def test_encoding_and_decoding_elsewhere(name: str) -> None:
    torch.manual_seed(0)
    model = recipes.get(name).autoencoder.build().eval()
    legal = model.nearest(9, 64, 64)
    video = torch.rand(1, 3, legal.frames, legal.height, legal.width) * 2 - 1
    latents = model.encode(video)
    back = model.decode(latents, legal.frames, seeded([1]))
    with Pretended() as pretended:
        model = model.to(pretended.device)
        there = model.encode(video.to(pretended.device))
        decoded = model.decode(there, legal.frames, seeded([1], pretended.device))
        assert {there.device, decoded.device} == {pretended.device}
        found = there.cpu(), decoded.cpu()
    torch.testing.assert_close(found[0], latents, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[1], back, rtol=1e-3, atol=1e-3)
