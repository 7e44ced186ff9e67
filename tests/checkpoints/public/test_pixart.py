"""An STDiT-3 that begins with PixArt-Sigma makes every frame like an image."""

from dataclasses import replace

import pytest
import torch

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.public.open_sora_1 import stdit_key_map
from kineograph.checkpoints.public.pixart import CAPTION, stdit_from_pixart
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.errors import CheckpointError
from kineograph.types import Condition, TextEmbedding

CONFIG = STDiTConfig(layers=2, heads=2, head_width=8, text_width=6, text_length=7)
KEYS = stdit_key_map(CONFIG)


def pixart():
    """The image model's state: the public names of spatial blocks without norms of heads."""
    torch.manual_seed(1)
    state = KEYS.dump(CONFIG.build().state_dict())
    found = {
        name.removeprefix("spatial_"): torch.randn_like(tensor) * 0.2
        for name, tensor in state.items()
        if not name.startswith(("temporal_", "fps_", "rope")) and "_norm." not in name
    }
    found["x_embedder.proj.weight"] = found["x_embedder.proj.weight"][:, :, 0]
    found[CAPTION] = found[CAPTION][:5]
    return found | {"pos_embed": torch.ones(1, 4, 16)}


@pytest.fixture
def model():
    torch.manual_seed(0)
    built = CONFIG.build().eval()
    load_into(built, stdit_from_pixart(pixart(), built.state_dict(), KEYS))
    return built


@torch.no_grad()
def test_every_frame_is_made_like_an_image(model):
    x = torch.randn(1, 4, 3, 4, 6)
    facts = {
        name: torch.full((1,), value)
        for name, value in (("fps", 24.0), ("height", 32.0), ("width", 48.0))
    }
    condition = Condition(TextEmbedding(torch.randn(1, 5, 6)), facts=facts)
    time = torch.full((1, 1, 1, 1, 1), 0.7)
    video = model(x, time, condition)
    for frame in range(3):
        image = model(x[:, :, frame : frame + 1], time, condition)
        torch.testing.assert_close(video[:, :, frame : frame + 1], image, rtol=1e-5, atol=1e-5)
    other = Condition(condition.text, facts=facts | {"fps": torch.full((1,), 120.0)})
    torch.testing.assert_close(model(x, time, other), video)


def test_pixart_s_weights_are_there_and_the_null_caption_is_as_long_as_it_must_be(model):
    public, given = KEYS.dump(model.state_dict()), pixart()
    for name in ("t_block.1.weight", "final_layer.linear.bias"):
        assert torch.equal(public[name], given[name])
    assert torch.equal(
        public["spatial_blocks.1.attn.qkv.weight"], given["blocks.1.attn.qkv.weight"]
    )
    assert torch.equal(public[CAPTION][:5], given[CAPTION])
    assert torch.equal(public[CAPTION][5:], given[CAPTION][-1:].expand(2, -1))
    assert not public["temporal_blocks.0.mlp.fc2.weight"].any()


def test_a_longer_null_caption_is_cut():
    shorter = replace(CONFIG, text_length=3)
    keys = stdit_key_map(shorter)
    found = stdit_from_pixart(pixart(), shorter.build().state_dict(), keys)
    assert torch.equal(found["captions.null"], pixart()[CAPTION][:3])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"blocks.9.scale_shift_table": torch.ones(6, 16)}, "no such tensor"),
        ({"t_block.1.bias": torch.ones(5)}, r"shape \(5,\), expected \(96,\)"),
    ],
)
def test_another_model_is_refused(change, words):
    with pytest.raises(CheckpointError, match=words):
        stdit_from_pixart(pixart() | change, CONFIG.build().state_dict(), KEYS)
