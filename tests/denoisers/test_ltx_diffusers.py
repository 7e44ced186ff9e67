"""With the same weights, our denoiser and that of diffusers say the same."""

import pytest
import torch

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.public.ltx_video import transformer_config, transformer_key_map
from kineograph.denoisers.ltx import LTX
from kineograph.types import Condition, TextEmbedding

oracle = pytest.importorskip(
    "diffusers.models.transformers.transformer_ltx", reason="diffusers is in the extra 'test'"
)
CONFIGS = [
    {"num_attention_heads": 2, "attention_head_dim": 8},  # width mod 6 = 4
    {"num_attention_heads": 3, "attention_head_dim": 10},  # width mod 6 = 0
    {"num_attention_heads": 5, "attention_head_dim": 4},  # width mod 6 = 2
]
FRAMES, HEIGHT, WIDTH, FPS = 3, 2, 4, 24.0


def both(sizes):
    """Ours and theirs, with equal random weights."""
    torch.manual_seed(0)
    width = sizes["num_attention_heads"] * sizes["attention_head_dim"]
    theirs = oracle.LTXVideoTransformer3DModel(
        in_channels=6,
        out_channels=6,
        num_layers=2,
        caption_channels=7,
        cross_attention_dim=width,
        **sizes,
    ).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    config = transformer_config(theirs.config)
    ours = config.build().eval()
    load_into(ours, transformer_key_map(config, "diffusers").load(theirs.state_dict()))
    return ours, theirs


def say(theirs, x, time, text):
    """Their answer for (B, C, F, H, W) at times (B,) or (B, N)."""
    tokens = x.flatten(2).transpose(1, 2)
    (found,) = theirs(
        hidden_states=tokens,
        encoder_hidden_states=text.tokens,
        timestep=time * 1000,
        encoder_attention_mask=text.mask.long(),
        num_frames=FRAMES,
        height=HEIGHT,
        width=WIDTH,
        rope_interpolation_scale=(8 / FPS, 32, 32),
        return_dict=False,
    )
    return found.transpose(1, 2).view(x.shape)


@pytest.mark.parametrize("sizes", CONFIGS, ids=lambda s: "x".join(map(str, s.values())))
@pytest.mark.parametrize("per_token", [False, True])
@torch.no_grad()
def test_velocities_agree(sizes, per_token):
    ours, theirs = both(sizes)
    assert isinstance(ours, LTX)
    x = torch.randn(2, 6, FRAMES, HEIGHT, WIDTH)
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]]).bool()
    text = TextEmbedding(torch.randn(2, 4, 7), mask)
    time = torch.rand(2, x[0, 0].numel()) if per_token else torch.rand(2)
    cells = time.view(2, 1, *(x.shape[2:] if per_token else (1, 1, 1)))
    found = ours(x, cells, Condition(text=text, facts={"fps": torch.full((2,), FPS)}))
    expected = say(theirs, x, time, text)
    assert (found - expected).norm() < 2e-5 * expected.norm()
