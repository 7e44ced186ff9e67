"""Levels of the reference's Video DC-AE, and the adapter that proves all of it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kineograph.autoencoders.deep_compression import (
    DeepCompression,
    DeepCompressionConfig,
    DeepLevels,
)
from kineograph.checkpoints.files import load_into, read
from kineograph.checkpoints.public.deep_compression import FIXED, deep_compression_key_map
from kineograph.proof import deep_compression
from kineograph.proof.vector import Vector
from kineograph.proof.verify import verify

GOLDEN = Path(__file__).parent.parent / "golden" / "open_sora_2"
LEVELS = DeepLevels(widths=(8, 8, 16, 32, 32, 64), depths=(1,) * 6)
CONFIG = DeepCompressionConfig(
    latent_channels=16, encoder=LEVELS, decoder=replace(LEVELS, widths=(8, 8, 16, 32, 32, 32))
)


@pytest.fixture(scope="module")
def stored() -> dict[str, Tensor]:
    """Two levels of the decoder and one of the encoder, with what went in and came out."""
    return read(GOLDEN / "video_dc_ae.levels.safetensors")


@pytest.fixture(scope="module")
def model(stored: dict[str, Tensor]) -> DeepCompression:
    """The stored weights where there are some."""
    built, keys = CONFIG.build().eval(), deep_compression_key_map()
    public = keys.dump(built.state_dict())
    state = {n.removeprefix("state/"): t for n, t in stored.items() if n.startswith("state/")}
    assert state.keys() <= public.keys()
    load_into(built, keys.load({**public, **state}))
    return built


@pytest.mark.parametrize(
    ("coder", "level", "given"),
    [
        ("encoder", 4, "encoder.stages.3"),  # attention, then half the time
        ("decoder", 5, "decoder.project_in"),  # attention alone
        ("decoder", 4, "decoder.stages.5"),  # a single frame grows in space only, attention
    ],
)
def test_a_level_is_the_reference_s(model, stored, coder, level, given):
    levels = model.encoder.levels if coder == "encoder" else model.decoder.levels
    with torch.no_grad():
        found = levels[level](stored[f"mid/{given}"])
    expected = stored[f"mid/{coder}.stages.{level}"]
    assert found.shape == expected.shape
    assert torch.linalg.vector_norm(found - expected) < 1e-5 * torch.linalg.vector_norm(expected)


@pytest.mark.parametrize("channels", [128, 256])
def test_full_size_names_and_shapes_are_the_published_ones(channels):
    (entry,) = verify([GOLDEN / f"video_dc_ae_f32t4c{channels}.manifest.json.gz"]).entries
    assert entry.status == "pass", entry.lines()


def test_every_stored_case_is_coded_as_in_the_published_code():
    coder = {"width_list": [2, 4, 8], "depth_list": [1, 1, 1], "block_type": "ResBlock"}
    config = {
        "latent_channels": 2,
        "encoder": {**FIXED["encoder"], **coder, "temporal_downsample": [True, True, False]},
        "decoder": {**FIXED["decoder"], **coder, "temporal_upsample": [True, True, False]},
        "use_spatial_tiling": False,
        "use_temporal_tiling": True,
        "temporal_tile_size": 8,
        "tile_overlap_factor": 0.5,
    }
    plain = DeepLevels(widths=(2, 4, 8), depths=(1, 1, 1), reaches=(None,) * 3, halves=(True, True))
    built = DeepCompressionConfig(latent_channels=2, encoder=plain, decoder=plain).build().eval()
    state = deep_compression_key_map().dump(built.state_dict())
    video, latents = torch.rand(1, 3, 12, 4, 4), torch.rand(1, 2, 3, 1, 1)
    inputs = {"x": video, "z_long": latents}
    with torch.no_grad():
        found = deep_compression.coding(
            Vector("tiled", "", Path(), {"config": config}, state, inputs)
        )
    assert found.outputs["latent"].shape == (1, 2, 3, 1, 1)
    assert found.outputs["decoded_long"].shape == (1, 3, 9, 4, 4)
    assert found.dumped is not None
    assert all(torch.equal(found.dumped[name], state[name]) for name in state)
