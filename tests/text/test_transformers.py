"""Our text encoders say what transformers' do, under the same weights: CLIP-L, bigG's kind, T5."""

import pytest
import torch

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.public.text_encoders import (
    clip_config,
    clip_key_map,
    t5_config,
    t5_key_map,
)

oracle = pytest.importorskip("transformers", reason="transformers is in the extra 'test'")
CLIP = {
    "vocab_size": 60,
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 9,
    "bos_token_id": 0,
    "pad_token_id": 1,
}
T5 = {
    "vocab_size": 50,
    "d_model": 24,
    "d_kv": 6,
    "d_ff": 40,
    "num_layers": 2,
    "num_heads": 4,
    "feed_forward_proj": "gated-gelu",
}


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("end", [2, 30], ids=["largest", "told"])
@torch.no_grad()
def test_clip(activation, end):
    config = oracle.CLIPTextConfig(**CLIP, hidden_act=activation, eos_token_id=end)
    theirs = oracle.CLIPTextModel(config).eval()
    torch.manual_seed(0)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours = clip_config(config.to_dict()).build().eval()
    state = {name: one for name, one in theirs.state_dict().items() if "position_ids" not in name}
    load_into(ours, clip_key_map(state.keys()).load(state))
    ids = torch.randint(3, 60, (4, 9))
    ids[:, 6:] = 59 if end == 2 else end
    tokens, pooled = ours.embed(ids)
    expected = theirs(input_ids=ids)
    assert torch.allclose(tokens, expected.last_hidden_state, atol=1e-4)
    assert torch.allclose(pooled, expected.pooler_output, atol=1e-4)


@pytest.mark.parametrize(("buckets", "distance"), [(32, 128), (8, 20)])
@torch.no_grad()
def test_t5(buckets, distance):
    config = oracle.T5Config(
        **T5,
        relative_attention_num_buckets=buckets,
        relative_attention_max_distance=distance,
    )
    theirs = oracle.T5EncoderModel(config).eval()
    torch.manual_seed(0)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours = t5_config(config.to_dict()).build().eval()
    state = theirs.state_dict()
    load_into(ours, t5_key_map(state.keys()).load(state))
    ids = torch.randint(1, 50, (3, 40))
    mask = torch.arange(40) < torch.tensor([[40], [7], [1]])
    expected = theirs(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    assert torch.allclose(ours.embed(ids, mask)[mask], expected[mask], atol=1e-4)
    assert torch.allclose(ours.embed(ids), theirs(input_ids=ids).last_hidden_state, atol=1e-4)
