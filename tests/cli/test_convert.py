"""`convert` takes weights to our names and back without a changed bit, and says what it saw."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kineograph import recipes
from kineograph.checkpoints import adapters, files, stream
from kineograph.checkpoints.factors import Factors
from kineograph.checkpoints.public import kinds
from kineograph.cli.convert import Convert
from kineograph.config import to_data
from kineograph.denoisers.ltx import LTXConfig
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.errors import CheckpointError, ConfigError
from kineograph.text.t5 import T5Config

LTX = LTXConfig(layers=2, heads=2, head_width=4, in_channels=3, out_channels=3, text_width=5)
LTX_SETTINGS = {
    "num_layers": 2,
    "num_attention_heads": 2,
    "attention_head_dim": 4,
    "cross_attention_dim": 8,
    "caption_channels": 5,
    "in_channels": 3,
}
CASES = {
    "ltx": (LTX, LTX_SETTINGS, ("original", "diffusers")),
    "mmdit": (
        MMDiTConfig(
            channels=2,
            heads=2,
            shares=(2, 2, 4),
            double_layers=1,
            single_layers=1,
            text_width=5,
            pooled_width=3,
        ),
        {
            "in_channels": 8,
            "hidden_size": 16,
            "num_heads": 2,
            "axes_dim": [2, 2, 4],
            "depth": 1,
            "depth_single_blocks": 1,
            "mlp_ratio": 4.0,
            "context_in_dim": 5,
            "vec_in_dim": 3,
            "qkv_bias": True,
            "cond_embed": True,
            "guidance_embed": False,
            "theta": 10000,
        },
        ("open_sora_2", "flux"),
    ),
    "stdit": (
        STDiTConfig(
            layers=1, heads=2, head_width=4, in_channels=2, out_channels=4, text_width=5,
            text_length=6,
        ),
        {
            "depth": 1,
            "num_heads": 2,
            "hidden_size": 8,
            "in_channels": 2,
            "patch_size": [1, 2, 2],
            "caption_channels": 5,
            "model_max_length": 6,
            "qk_norm": True,
        },
        ("original",),
    ),
    "skiparse": (
        SkiparseConfig(
            layers=2, heads=2, head_width=6, in_channels=2, out_channels=2, text_width=5
        ),
        {
            "num_layers": 2,
            "num_attention_heads": 2,
            "attention_head_dim": 6,
            "in_channels": 2,
            "caption_channels": 5,
            "patch_size": 2,
            "sparse1d": True,
            "sparse_n": 4,
        },
        ("original",),
    ),
    "t5": (
        T5Config(vocabulary=11, width=8, heads=2, head=4, hidden=12, blocks=1),
        {
            "feed_forward_proj": "gated-gelu",
            "vocab_size": 11,
            "d_model": 8,
            "num_heads": 2,
            "d_kv": 4,
            "d_ff": 12,
            "num_layers": 1,
        },
        ("shared", "both"),
    ),
}  # fmt: skip


def public(case: str, layout: str, folder: Path) -> dict[str, Tensor]:
    """A miniature public checkpoint, written into a folder."""
    config, settings, _ = CASES[case]
    torch.manual_seed(0)
    state = config.build().state_dict()
    tensors = kinds.KINDS[case].keys(config, layout).dump(state)
    folder.mkdir(parents=True)
    files.write(folder / "model.safetensors", tensors, {})
    (folder / "config.json").write_text(json.dumps(settings))
    return tensors


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


@pytest.mark.parametrize(
    ("case", "layout"), [(name, layout) for name, case in CASES.items() for layout in case[2]]
)
def test_there_and_back_bit_for_bit(case, layout, tmp_path, capsys):
    given = public(case, layout, tmp_path / "given")
    role = kinds.KINDS[case].role
    Convert(source=str(tmp_path / "given"), out=tmp_path / "ours", shard=2e-6).run()
    assert f"{role} of kind {case}, layout {layout}: " in capsys.readouterr().out
    assert len(list((tmp_path / "ours").glob(f"{role}-*.safetensors"))) > 1
    module = CASES[case][0].build()
    files.load_into(module, files.read(tmp_path / "ours" / f"{role}.safetensors.index.json"))
    back = tmp_path / "back"
    Convert(source=str(tmp_path / "ours"), out=back, to="public", layout=layout).run()
    assert equal(files.read(back), given)
    assert json.loads((back / "config.json").read_text()) == CASES[case][1]


def test_a_part_of_a_single_file_with_two(tmp_path):
    """LTX-Video's files hold transformer and autoencoder, and their settings in the header."""
    torch.manual_seed(0)
    state = LTX.build().state_dict()
    tensors = kinds.KINDS["ltx"].keys(LTX, "single_file").dump(state)
    tensors["vae.encoder.conv_in.conv.weight"] = torch.ones(2)
    told = {"config": json.dumps({"transformer": LTX_SETTINGS, "vae": {}})}
    file = tmp_path / "both.safetensors"
    files.write(file, tensors, told)
    with pytest.raises(ConfigError, match="several parts; expected --part autoencoder or denoiser"):
        Convert(source=str(file), out=tmp_path / "ours").run()
    Convert(source=str(file), out=tmp_path / "ours", part="denoiser").run()
    assert equal(files.read(tmp_path / "ours" / "denoiser.safetensors"), state)


def test_a_folder_of_ours_comes_about_part_by_part(tmp_path):
    """With --model the parts' sizes go into a recipe, so that the folder says what it holds."""
    public("ltx", "diffusers", tmp_path / "given")
    Convert(source=str(tmp_path / "given"), out=tmp_path / "ours", model="toybox").run()
    assert recipes.read(tmp_path / "ours").denoiser == LTX


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t.pop("proj_in.weight"), r"missing: 1, .*proj_in\.weight 8x3"),
        (lambda t: t.update(extra=torch.ones(1)), "unexpected: 1, .*extra"),
        (lambda t: t.update({"proj_in.weight": torch.ones(8, 4)}), "8x4, expected 8x3"),
    ],
)
@pytest.mark.parametrize("kind", [None, "ltx"])
def test_what_does_not_fit_is_refused(damage, message, kind, tmp_path):
    tensors = public("ltx", "diffusers", tmp_path / "given")
    damage(tensors)
    files.write(tmp_path / "given" / "model.safetensors", tensors, {})
    with pytest.raises(CheckpointError, match=f"(?s){message}"):
        Convert(source=str(tmp_path / "given"), out=tmp_path / "ours", kind=kind).run()
    assert not (tmp_path / "ours").exists()


def test_mistakes_are_named(tmp_path):
    public("ltx", "diffusers", tmp_path / "given")
    given = str(tmp_path / "given")
    with pytest.raises(ConfigError, match="--to publik; did you mean 'public'"):
        Convert(source=given, out=tmp_path / "o", to="publik").run()
    with pytest.raises(ConfigError, match="--kind ltxx; did you mean 'ltx'"):
        Convert(source=given, out=tmp_path / "o", kind="ltxx").run()
    with pytest.raises(CheckpointError, match="no t5: its settings"):
        Convert(source=given, out=tmp_path / "o", kind="t5").run()
    with pytest.raises(ConfigError, match="expected another place"):
        Convert(source=given, out=tmp_path / "given").run()
    with pytest.raises(CheckpointError, match="expected a weights folder of ours"):
        Convert(source=given, out=tmp_path / "o", to="public").run()


def test_memory_holds_one_shard(tmp_path, monkeypatch):
    """Between two files no more is read than a file may hold, and one piece."""
    tensors = public("ltx", "original", tmp_path / "given")
    seen: list[int] = [0]
    read, write = files.Lazy.__getitem__, files.write

    def counted(self: files.Lazy, name: str) -> Tensor:
        tensor = read(self, name)
        seen[-1] += tensor.nbytes
        return tensor

    def noted(*arguments: object) -> None:
        seen.append(0)
        write(*arguments)

    monkeypatch.setattr(files.Lazy, "__getitem__", counted)
    monkeypatch.setattr(stream.files, "write", noted)
    Convert(source=str(tmp_path / "given"), out=tmp_path / "ours", shard=2e-6).run()
    sizes = [tensor.nbytes for tensor in tensors.values()]
    assert sum(seen) == sum(sizes)
    assert len(seen) > 3 and max(seen) <= max(2000, *sizes)


def test_adapters_change_their_style_and_can_be_merged(tmp_path, capsys):
    folder = tmp_path / "model"
    torch.manual_seed(0)
    module = LTX.build()
    files.write(folder / "denoiser.safetensors", module.state_dict(), {})
    recipe = replace(recipes.get("toybox"), denoiser=LTX)
    (folder / recipes.FILE).write_text(json.dumps(to_data(recipe)))
    layer = "blocks.0.attention.query"
    change = Factors(torch.randn(2, 8), torch.randn(8, 2), 2.0)
    ours = tmp_path / "ours.safetensors"
    adapters.write(ours, {layer: change}, adapters.STYLES["kineograph"], {"trigger": "heron"})
    before = ours
    for style in ("kohya", "comfyui", "diffusers", "kineograph"):
        after = tmp_path / f"{style}.safetensors"
        Convert(source=str(before), out=after, to=style, model=str(folder)).run()
        assert files.read_metadata(after)["trigger"] == "heron"
        before = after
    assert equal(files.read(before), files.read(ours))
    assert "lora_unet_transformer_blocks_0_attn1_to_q.lora_down" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="expected --model"):
        Convert(source=str(ours), out=tmp_path / "x.safetensors", to="kohya").run()
    merged = tmp_path / "merged"
    Convert(source=str(folder), out=merged, adapter=(f"{after}:0.5",)).run()
    weight = files.read(merged / "denoiser.safetensors")[f"{layer}.weight"]
    expected = module.state_dict()[f"{layer}.weight"] + 0.5 * change.up @ change.down
    torch.testing.assert_close(weight, expected)
