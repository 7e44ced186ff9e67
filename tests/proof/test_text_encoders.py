"""Every text encoder's stored vector and manifest is matched, and mistakes are seen."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kineograph.checkpoints.manifest import read_manifest
from kineograph.proof.text_encoders import clip, manifest, masked_t5, unmasked_t5
from kineograph.proof.vector import read_vector
from kineograph.proof.verify import verify

GOLDEN = Path(__file__).parent.parent / "golden"
PLAN = GOLDEN / "open_sora_plan" / "text_encoder.mt5_tiny.json"
T5 = GOLDEN / "open_sora_2" / "text.t5_embedder.json"
CLIP = GOLDEN / "open_sora_2" / "text.clip_embedder.json"
LTX = GOLDEN / "ltx_video" / "text_encoder.t5_v1_1_xxl.manifest.json.gz"


def relative(ours, reference):
    return float((ours - reference).norm() / reference.norm())


@pytest.mark.parametrize("path", [PLAN, T5, CLIP, LTX], ids=lambda path: path.name)
def test_the_reference_is_matched(path):
    (entry,) = verify([path]).entries
    assert entry.status == "pass", entry.lines()
    assert entry.written is not False


@torch.no_grad()
def test_a_mask_that_is_forgotten_is_seen():
    vector = read_vector(PLAN)
    all_real = torch.ones_like(vector.inputs["attention_mask"])
    found = masked_t5(replace(vector, inputs={**vector.inputs, "attention_mask": all_real}))
    stored = vector.outputs["last_hidden_state"]
    assert relative(found.outputs["last_hidden_state"], stored) > 1e-2


@torch.no_grad()
@pytest.mark.parametrize(
    "change", [{"relative_attention_num_buckets": 4}, {"relative_attention_max_distance": 9}]
)
def test_another_rule_of_distances_is_seen(change):
    vector = read_vector(T5)
    state = {
        name: x[:4] if "bias" in name and "relative_attention_num_buckets" in change else x
        for name, x in vector.state.items()
    }
    other = replace(
        vector, state=state, meta={**vector.meta, "config": {**vector.config, **change}}
    )
    found = unmasked_t5(other).outputs["embedding"]
    assert relative(found, vector.outputs["embedding"]) > 1e-3


@torch.no_grad()
def test_clip_s_pooled_place_is_seen():
    vector = read_vector(CLIP)
    ids = vector.inputs["input_ids"].clone()
    ids[0, 1] = ids.max()  # the text of the first sample ends earlier
    found = clip(replace(vector, inputs={"input_ids": ids})).outputs["pooled"]
    assert relative(found[0], vector.outputs["pooled"][0]) > 1e-2
    assert relative(found[1:], vector.outputs["pooled"][1:]) < 1e-5


def test_a_full_size_encoder_with_one_block_less_is_seen():
    stored = read_manifest(LTX)
    fewer = replace(stored, config={**stored.config, "num_layers": 23})
    missing = stored.tensors.keys() - manifest(fewer).keys()
    assert len(missing) == 9 and all("encoder.block.23." in name for name in missing)
