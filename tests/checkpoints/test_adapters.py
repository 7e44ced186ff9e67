"""Adapters keep every bit on their way through the key styles, and change what they should."""

import json
import math
from collections.abc import Callable, Mapping
from functools import cache

import pytest
import torch

from kineograph.checkpoints import files
from kineograph.checkpoints.adapters import METADATA, STYLES, Names, export, read, write
from kineograph.checkpoints.factors import Factors, add
from kineograph.checkpoints.public.adapters import names
from kineograph.denoisers.laboratory import LaboratoryConfig
from kineograph.denoisers.ltx import Local, LTXConfig
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.denoisers.stdit_early import STDiT2Config
from kineograph.denoisers.stiv import STIVConfig
from kineograph.errors import CheckpointError

LTX = LTXConfig(layers=1, heads=2, head_width=4, in_channels=3, out_channels=3, text_width=5)
CONFIGS = {
    "ltx": LTX,
    "toybox": LTXConfig(
        layers=1,
        heads=2,
        head_width=12,
        in_channels=3,
        out_channels=3,
        text_width=5,
        pooled_width=5,
        patch=2,
        local=Local(width=4),
    ),
    "mmdit": MMDiTConfig(
        channels=2,
        heads=2,
        shares=(2, 2, 4),
        double_layers=1,
        single_layers=1,
        text_width=5,
        pooled_width=3,
    ),
    "stdit": STDiTConfig(
        layers=1, heads=2, head_width=4, in_channels=2, out_channels=4, text_width=5
    ),
    "stdit2": STDiT2Config(
        layers=1, heads=3, head_width=4, in_channels=2, out_channels=4, text_width=5
    ),
    "skiparse": SkiparseConfig(
        layers=2, heads=2, head_width=6, in_channels=2, out_channels=2, text_width=5
    ),
    "stiv": STIVConfig(layers=1, heads=2, head_width=12, text_width=5, pooled_width=5),
    "laboratory": LaboratoryConfig(layers=1, heads=2, head_width=12, text_width=5),
}


@pytest.fixture(scope="module")
def layouts() -> Callable[[str], Mapping[str, Names]]:
    """The names of a miniature, made once."""
    return cache(lambda kind: names(CONFIGS[kind]))


def random_changes(
    layouts: Mapping[str, Names], part: str = "", rank: int = 3, alpha: float = 2.0
) -> dict[str, Factors]:
    """Factors for all layers with `part` in their names."""
    draw = torch.Generator().manual_seed(0)
    shapes = layouts["kineograph"].shapes
    return {
        name: Factors(
            torch.randn(rank, math.prod(shapes[f"{name}.weight"][1:]), generator=draw),
            torch.randn(shapes[f"{name}.weight"][0], rank, generator=draw),
            alpha,
        )
        for name in layouts["kineograph"].layers
        if part in name
    }


def same(one: Mapping[str, Factors], other: Mapping[str, Factors]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[n].down, other[n].down)
        and torch.equal(one[n].up, other[n].up)
        and one[n].alpha == other[n].alpha
        for n in one
    )


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("part", ["", "query"])
def test_there_and_back_bit_for_bit(kind, style, part, layouts, tmp_path):
    known = layouts(kind)
    changes = random_changes(known, part)
    write(tmp_path / "a.safetensors", export(changes, known[style]), STYLES[style], {})
    assert same(read(tmp_path / "a.safetensors", tuple(known.values())), changes)
    stored = files.read(tmp_path / "a.safetensors")
    assert all(key.startswith(STYLES[style].prefix) for key in stored)


@pytest.mark.parametrize("kind", ["ltx", "mmdit", "stdit", "stdit2", "skiparse"])
def test_a_public_change_is_the_change_of_the_public_weights(kind, layouts):
    """The key map of whole weights is the judge: W' through it equals W through it, changed."""
    changes = random_changes(layouts(kind))
    state = CONFIGS[kind].build().state_dict()
    after = {n: t.clone() for n, t in state.items()}
    for name, change in changes.items():
        weight = after[name + ".weight"]
        weight += change.change().view(weight.shape)
    for layout in layouts(kind).values():
        old, new = layout.keys.dump(state), layout.keys.dump(after)
        for layer, change in export(changes, layout).items():
            weight = old[layer + ".weight"]
            moved = weight + change.change().view(weight.shape)
            torch.testing.assert_close(moved, new[layer + ".weight"], atol=1e-5, rtol=1e-5)


def test_fused_rows_share_one_down_as_other_trainers_write_them(layouts, tmp_path):
    """q, k and v below one `down` of rank 3: each of ours has all of it; the file comes back."""
    known = layouts("stdit")
    layer = "spatial_blocks.0.attn.qkv"
    given = {layer: Factors(torch.randn(3, 8), torch.randn(24, 3), 1.0)}
    write(tmp_path / "a.safetensors", given, STYLES["comfyui"], {})
    ours = read(tmp_path / "a.safetensors", tuple(known.values()))
    assert sorted(ours) == [f"spatial.0.attention.{n}" for n in ("key", "query", "value")]
    assert all(torch.equal(one.down, given[layer].down) for one in ours.values())
    assert same(export(ours, known["comfyui"]), given)


def test_parts_without_a_change_stay_without_one(layouts):
    known = layouts("stdit")
    changes = random_changes(known, "spatial.0.attention.query")
    (public,) = export(changes, known["comfyui"]).values()
    assert public.rank == 3 and not public.up[8:].any()


def test_fresh_factors_are_zero_and_come_back_too(layouts, tmp_path):
    known = layouts("stdit")
    fresh = {
        name: Factors(one.down, torch.zeros_like(one.up), one.alpha)
        for name, one in random_changes(known, "spatial.0.attention").items()
    }
    write(tmp_path / "a.safetensors", export(fresh, known["kohya"]), STYLES["kohya"], {})
    assert same(read(tmp_path / "a.safetensors", tuple(known.values())), fresh)


def test_ranks_and_alphas_may_differ(layouts, tmp_path):
    known = layouts("ltx")
    changes = random_changes(known, "query", 2, 1.0) | random_changes(known, "mlp", 4, 8.0)
    for style in STYLES:
        write(tmp_path / f"{style}.safetensors", export(changes, known[style]), STYLES[style], {})
        assert same(read(tmp_path / f"{style}.safetensors", tuple(known.values())), changes)


def test_adding_and_taking_away(layouts):
    torch.manual_seed(0)
    model = LTX.build()
    weight = model.blocks[0].mlp.up.weight
    before = weight.detach().clone()
    changes = random_changes(layouts("ltx"), "mlp.up")
    (change,) = changes.values()
    add(model, changes, 0.5)
    expected = before + 0.5 * (2 / 3) * change.up @ change.down
    torch.testing.assert_close(weight, expected)
    add(model, changes, -0.5)
    torch.testing.assert_close(weight.detach(), before, atol=1e-6, rtol=0)


def test_settings_of_peft_in_the_header_or_beside_the_file(layouts, tmp_path):
    known = tuple(layouts("ltx").values())
    layer = "patch_in"
    tensors = {
        f"base_model.model.{layer}.lora_A.weight": torch.randn(4, 3),
        f"base_model.model.{layer}.lora_B.weight": torch.randn(8, 4),
    }
    files.write(tmp_path / "adapter_model.safetensors", tensors, {})
    assert read(tmp_path, known)[layer].alpha == 4  # nothing said: the scale is 1
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps({"r": 4, "lora_alpha": 6, "use_rslora": True}))
    assert read(tmp_path, known)[layer].alpha == 12
    told = {METADATA: json.dumps({"transformer.lora_alpha": 6, "transformer.alpha_pattern": {}})}
    files.write(tmp_path / "adapter_model.safetensors", tensors, told)
    assert read(tmp_path, known)[layer].alpha == 6


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "no tensors"),
        ({"blocks.0.weight": torch.ones(2, 2)}, "no LoRA: blocks.0.weight.*lora_A"),
        ({"denoiser.patch_in.lora_A.weight": torch.ones(2, 3)}, "no LoRA: patch_in"),
        (
            {
                "transformer.proj_inn.lora_A.weight": torch.ones(2, 3),
                "transformer.proj_inn.lora_B.weight": torch.ones(8, 2),
                "transformer.proj_out.lora_A.weight": torch.ones(2, 8),
                "transformer.proj_out.lora_B.weight": torch.ones(3, 2),
            },
            "proj_inn; did you mean 'proj_in'",
        ),
        (
            {
                "denoiser.patch_in.lora_A.weight": torch.ones(2, 5),
                "denoiser.patch_in.lora_B.weight": torch.ones(8, 2),
            },
            "patch_in: down 2x5 and up 8x2, expected ranks beside a weight of 8x3",
        ),
        (
            {
                "denoiser.patch_in.lora_A.weight": torch.full((2, 3), torch.nan),
                "denoiser.patch_in.lora_B.weight": torch.ones(8, 2),
            },
            "not finite",
        ),
        (
            {
                "denoiser.patch_in.lora_A.weight": torch.ones(2, 3),
                "denoiser.patch_in.lora_B.weight": torch.ones(8, 2),
                "denoiser.patch_in.alpha": torch.tensor(torch.nan),
            },
            "alpha is nan",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tensors, message, layouts, tmp_path):
    files.write(tmp_path / "a.safetensors", tensors, {"format": "pt"})
    with pytest.raises(CheckpointError, match=message):
        read(tmp_path / "a.safetensors", tuple(layouts("ltx").values()))
