"""Diffusers reads our adapter of an LTX-Video transformer, and says the same with it."""

import pytest
import torch

from kineograph.checkpoints import files
from kineograph.checkpoints.adapters import METADATA, STYLES, export, read, write
from kineograph.checkpoints.factors import Factors, add
from kineograph.checkpoints.public.adapters import names
from kineograph.checkpoints.public.ltx_video import transformer_config, transformer_key_map
from kineograph.types import Condition, TextEmbedding

pytest.importorskip("peft", reason="peft is in the extra 'finetune'")
oracle = pytest.importorskip(
    "diffusers.models.transformers.transformer_ltx", reason="diffusers is in the extra 'test'"
)
FRAMES, HEIGHT, WIDTH = 2, 2, 2


@torch.no_grad()
def test_diffusers_says_the_same_with_our_adapter(tmp_path):
    torch.manual_seed(0)
    theirs = oracle.LTXVideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=6,
        caption_channels=5,
        cross_attention_dim=12,
    ).eval()
    config = transformer_config(theirs.config)
    ours = config.build().eval()
    files.load_into(ours, transformer_key_map(config, "diffusers").load(theirs.state_dict()))
    layouts = names(config)
    table = layouts["kineograph"]
    changes = {}
    for index, name in enumerate(n for n in table.layers if "attention" in n or "mlp" in n):
        rows, columns = table.shapes[f"{name}.weight"]
        rank = 2 + index % 2
        changes[name] = Factors(torch.randn(rank, columns), torch.randn(rows, rank), 0.5 + rank)
    path = tmp_path / "a.safetensors"
    write(path, export(changes, layouts["diffusers"]), STYLES["diffusers"], {})
    assert METADATA in files.read_metadata(path)
    theirs.load_lora_adapter(str(tmp_path), weight_name=path.name, prefix="transformer")
    add(ours, read(path, tuple(layouts.values())), 1.0)

    x, tokens = torch.randn(1, 4, FRAMES, HEIGHT, WIDTH), torch.randn(1, 3, 5)
    text = TextEmbedding(tokens, torch.ones(1, 3).bool())
    condition = Condition(text=text, facts={"fps": torch.full((1,), 24.0)})
    found = ours(x, torch.full((1, 1, 1, 1, 1), 0.5), condition)
    (expected,) = theirs(
        hidden_states=x.flatten(2).transpose(1, 2),
        encoder_hidden_states=tokens,
        timestep=torch.tensor([500.0]),
        encoder_attention_mask=torch.ones(1, 3).long(),
        num_frames=FRAMES,
        height=HEIGHT,
        width=WIDTH,
        rope_interpolation_scale=(8 / 24, 32, 32),
        return_dict=False,
    )
    expected = expected.transpose(1, 2).view(x.shape)
    assert (found - expected).norm() < 2e-5 * expected.norm()
