"""Clips of more than 2^31 values per layer, whose places do not fit into 32 bits; needs a GPU."""

import pytest
import torch

from kineograph.nn.borders import BorderedConv, Edges
from kineograph.nn.entrances import GroupsThenSilu

CHANNELS, FRAMES, SIDE = 128, 17, 1024  # 2.3e9 values, 4.6 GB in half precision
NEEDED = 24 << 30


def room() -> str:
    """Why there is not enough; empty: there is."""
    if not torch.cuda.is_available():
        return "no GPU here"
    free, _ = torch.cuda.mem_get_info()
    return "" if free > NEEDED else f"{free >> 30} GB free on the GPU, {NEEDED >> 30} needed"


@pytest.mark.skipif(bool(room()), reason=room() or "there is room")
@torch.no_grad()
def test_the_last_frames_of_a_large_clip_are_as_in_a_small_one():
    assert CHANNELS * FRAMES * SIDE**2 > 2**31
    torch.manual_seed(0)
    conv = BorderedConv(CHANNELS, CHANNELS, 3, border=Edges()).cuda().bfloat16()
    norm = torch.nn.GroupNorm(32, CHANNELS).cuda().bfloat16()
    x = torch.empty(1, FRAMES, SIDE, SIDE, CHANNELS, device="cuda", dtype=torch.bfloat16)
    frame = torch.randn(SIDE, SIDE, CHANNELS, device="cuda", dtype=torch.bfloat16)
    x[:] = frame  # still, so that every frame has the same answer, and the clip one frame's means
    large = conv.after(GroupsThenSilu(norm), x.movedim(-1, 1))
    small = conv.after(GroupsThenSilu(norm), x[:, :3].movedim(-1, 1))
    for index in (0, FRAMES // 2, FRAMES - 1):
        assert torch.allclose(large[:, :, index], small[:, :, -1], rtol=0.02, atol=0.02)
