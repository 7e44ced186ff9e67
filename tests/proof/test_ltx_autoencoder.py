"""LTX-Video's autoencoder, upsamplers and filters are the reference's."""

from pathlib import Path

import pytest
import torch

from kineograph.checkpoints.manifest import Manifest
from kineograph.proof.ltx_autoencoder import noise_maps, single_file_manifest
from kineograph.proof.verify import verify

GOLDEN = Path(__file__).parent.parent / "golden" / "ltx_video"
VECTORS = ["vae.v090_first_frame.json", "latent_filters.json"]
MANIFESTS = sorted(
    file.name
    for pattern in ("autoencoder", "latent_upsampler")
    for file in GOLDEN.glob(f"{pattern}.*.manifest.json.gz")
)


@pytest.mark.parametrize("name", VECTORS + MANIFESTS)
def test_the_reference_is_matched(name):
    (entry,) = verify([GOLDEN / name]).entries
    assert entry.status == "pass", entry.lines()
    assert entry.written is not False


def test_noise_maps_come_in_the_order_of_the_layers():
    names = ["up_blocks.10.res_blocks.0.noise1", "up_blocks.2.res_blocks.10.noise1"]
    names += ["up_blocks.2.res_blocks.9.noise2", "up_blocks.2.res_blocks.9.noise1"]
    names += ["mid_block.resnets.7.noise1"]
    given = {f"spatial_noise/decoder.{name}": torch.full((1, 1), i) for i, name in enumerate(names)}
    draws = noise_maps(given, clips=2)
    assert [draws((2, 1, 1))[1].item() for _ in names] == [4, 3, 2, 1, 0]


def test_a_decoder_without_stored_noise_draws_none():
    assert noise_maps({"latents_normalized": torch.zeros(1)}, clips=1) is None


def test_one_file_holds_both_parts_below_their_prefixes():
    transformer = {
        "num_layers": 1,
        "num_attention_heads": 1,
        "attention_head_dim": 8,
        "caption_channels": 4,
        "in_channels": 2,
    }
    autoencoder = {"latent_channels": 2, "blocks": [["res_x", 1]]}
    found = single_file_manifest(
        Manifest("", "", "original", {"transformer": transformer, "vae": autoencoder}, {})
    )
    assert found["vae.per_channel_statistics.mean-of-means"] == (2,)
    assert found["model.diffusion_model.proj_out.weight"] == (2, 8)
    assert {name.split(".")[0] for name in found} == {"vae", "model"}
