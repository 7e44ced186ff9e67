"""Any published autoencoder is opened from any file it is published in, and nothing else is."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from kineograph.checkpoints.hub import cache, local
from kineograph.checkpoints.public.autoencoders import KINDS, open_autoencoder
from kineograph.cli.reconstruct import Reconstruct
from kineograph.errors import CheckpointError, ConfigError, KineographError
from kineograph.media.decode import read_video
from kineograph.media.encode import write_video

KL = {"layers_per_block": 1, "norm_num_groups": 2, "latent_channels": 2}
IMAGE: dict[str, Any] = {**KL, "block_out_channels": [4, 4, 8]}
CAUSAL: dict[str, Any] = {**KL, "block_out_channels": [4, 4, 4, 8]}
STACKED: dict[str, Any] = {
    "vae_2d": IMAGE,
    "vae_temporal": {
        "in_out_channels": 2, "latent_embed_dim": 2, "embed_dim": 2, "filters": 4,
        "num_res_blocks": 1, "channel_multipliers": [1, 1], "temporal_downsample": [True],
        "num_groups": 2, "activation_fn": "swish",
    },
    "micro_frame_size": 5, "scale": [2.0, 3.0], "shift": [0.5, 0.25],
}  # fmt: skip
WAVELET: dict[str, Any] = {
    "latent_dim": 2, "base_channels": 4, "encoder_num_resblocks": 1, "decoder_num_resblocks": 1,
    "connect_res_layer_num": 1, "encoder_energy_flow_hidden_size": 4,
    "decoder_energy_flow_hidden_size": 4, "use_attention": True, "norm_type": "layernorm",
    "t_interpolation": "trilinear", "dropout": 0.0, "scale": [0.5, 0.5], "shift": [0.0, 0.0],
}  # fmt: skip
LTX: dict[str, Any] = {
    "latent_channels": 3, "patch_size": 4, "encoder_base_channels": 4, "decoder_base_channels": 4,
    "timestep_conditioning": True,
    "encoder_blocks": [["res_x", {"num_layers": 1}], ["compress_all_res", {"multiplier": 2}]],
    "decoder_blocks": [["res_x", {"num_layers": 1, "inject_noise": True}],
                       ["compress_all", {"residual": True, "multiplier": 2}]],
}  # fmt: skip
LTX_FOLDER: dict[str, Any] = {
    "latent_channels": 3, "block_out_channels": [4, 4], "decoder_block_out_channels": [4, 4],
    "layers_per_block": [1, 1, 1], "decoder_layers_per_block": [1, 1, 1],
    "spatio_temporal_scaling": [True, False], "decoder_spatio_temporal_scaling": [True, False],
    "decoder_inject_noise": [False] * 3, "upsample_residual": [False] * 2,
    "upsample_factor": [1, 1],
}  # fmt: skip
CODER: dict[str, Any] = {
    "width_list": [8, 8, 32], "depth_list": [1, 1, 1], "norm": "rms3d", "act": "silu",
    "block_type": ["ResBlock", "ResBlock", "EViTS5_GLU"], "is_video": True,
}  # fmt: skip
DEEP: dict[str, Any] = {
    "latent_channels": 4,
    "encoder": {
        **CODER, "downsample_block_type": "Conv", "downsample_match_channel": True,
        "downsample_shortcut": "averaging", "out_norm": None, "out_act": None,
        "out_shortcut": "averaging", "double_latent": False,
        "temporal_downsample": [False, True, False],
    },
    "decoder": {
        **CODER, "in_shortcut": "duplicating", "upsample_block_type": "InterpolateConv",
        "upsample_match_channel": True, "upsample_shortcut": "duplicating", "out_norm": "rms3d",
        "out_act": "relu", "temporal_upsample": [False, True, False],
    },
    "use_spatial_tiling": False, "use_temporal_tiling": False,
}  # fmt: skip


def published(kind: str, description: Mapping[str, Any], word: str = "") -> dict[str, Tensor]:
    """Random weights under public names; `word`: what tells the layout."""
    torch.manual_seed(0)
    config = KINDS[kind].config(description)
    keys = KINDS[kind].keys(config, {word: torch.zeros(())})
    return keys.dump(config.build().state_dict())


def described(folder: Path, state: Mapping[str, Tensor], description: Mapping[str, Any]) -> Path:
    """A diffusers folder."""
    folder.mkdir(parents=True)
    save_file(dict(state), folder / "diffusion_pytorch_model.safetensors")
    (folder / "config.json").write_text(json.dumps(description))
    return folder


def diffusers_pipeline(folder: Path) -> Path:
    described(folder / "vae", published("image_kl", IMAGE), IMAGE)
    (folder / "model_index.json").write_text("{}")
    return folder


def early_folder(folder: Path) -> Path:
    return described(folder, published("image_kl", IMAGE, ".proj_attn.weight"), IMAGE)


def legacy_checkpoint(folder: Path) -> Path:
    """Stable Diffusion's single file, without a description and not of its size."""
    state = published("image_kl", IMAGE, "encoder.mid.block_1.")
    more = {"model.diffusion_model.out.weight": torch.zeros(1)}
    torch.save(
        {"state_dict": {f"first_stage_model.{n}": t for n, t in state.items()} | more},
        folder / "sd.ckpt",
    )
    return folder / "sd.ckpt"


def stacked_folder(folder: Path) -> Path:
    return described(folder / "stacked", published("stacked", STACKED), STACKED)


def shards(folder: Path) -> Path:
    """Two shards without a description."""
    state = published("causal_kl", CAUSAL)
    names = sorted(state)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, some in halves.items():
        save_file({name: state[name] for name in some}, folder / file)
    table = {name: file for file, some in halves.items() for name in some}
    index = folder / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": table}))
    return folder


def trained_wavelet(folder: Path) -> Path:
    """A training checkpoint: averaged weights, wrapped for several GPUs."""
    state = {f"module.{n}": t for n, t in published("wavelet_flow", WAVELET, "x").items()}
    torch.save({"ema_state_dict": state, "state_dict": {}}, folder / "merged.pth")
    return folder / "merged.pth"


def wavelet_folder(word: str):
    def write(folder: Path) -> Path:
        return described(folder / "w", published("wavelet_flow", WAVELET, word), WAVELET)

    return write


def single_file(folder: Path) -> Path:
    """LTX-Video's: the transformer too, all settings in the header."""
    state = published("denoising", LTX, "vae.x")
    state["model.diffusion_model.proj.weight"] = torch.zeros(2)
    header = {"config": json.dumps({"vae": LTX, "transformer": {"layers": 1}})}
    save_file(state, folder / "ltx.safetensors", metadata=header)
    return folder / "ltx.safetensors"


def ltx_folder(folder: Path) -> Path:
    return described(folder / "v", published("denoising", LTX_FOLDER, ".mid_block."), LTX_FOLDER)


def deep_folder(folder: Path) -> Path:
    return described(folder / "d", published("deep_compression", DEEP), DEEP)


LAYOUTS = {
    "image_kl pipeline": ("image_kl", diffusers_pipeline, "description"),
    "image_kl early": ("image_kl", lambda folder: early_folder(folder / "e"), "description"),
    "image_kl legacy": ("image_kl", legacy_checkpoint, "names and shapes"),
    "stacked": ("stacked", stacked_folder, "description"),
    "causal_kl shards": ("causal_kl", shards, "names and shapes"),
    "wavelet_flow original": ("wavelet_flow", wavelet_folder("wavelet_tranform"), "description"),
    "wavelet_flow renamed": ("wavelet_flow", wavelet_folder("wavelet_transform"), "description"),
    "wavelet_flow trained": ("wavelet_flow", trained_wavelet, "names and shapes"),
    "denoising single file": ("denoising", single_file, "description"),
    "denoising folder": ("denoising", ltx_folder, "description"),
    "deep_compression": ("deep_compression", deep_folder, "description"),
}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Three frames of an odd size."""
    frames = torch.randint(0, 256, (3, 22, 34, 3), generator=torch.Generator().manual_seed(0))
    path = tmp_path / "clip.mp4"
    write_video(path, frames.to(torch.uint8), 8, crf=4)
    return path


@pytest.mark.parametrize(("kind", "write", "source"), LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_video_goes_through_every_public_layout(
    kind, write, source, frames, video, tmp_path, capsys
):
    folder = tmp_path / "weights"
    folder.mkdir()
    weights = write(folder)
    command = Reconstruct(
        videos=(video,), autoencoder=kind, weights=str(weights), frames=frames, device="cpu",
        out=tmp_path / "out", format="json",
    )  # fmt: skip
    assert command.run() == 0
    printed = capsys.readouterr()
    (score,) = json.loads(printed.out)
    assert (score["frames"], score["width"], score["height"]) == (frames, 34, 22)
    assert source in printed.err
    assert len(read_video(tmp_path / "out" / "clip_reconstructed.mp4").frames) == frames


def test_every_weight_arrives(tmp_path):
    state = published("denoising", LTX, "vae.x")
    state = {name: torch.randn_like(t) if t.ndim else t for name, t in state.items()}
    save_file(state, tmp_path / "x.safetensors", metadata={"config": json.dumps({"vae": LTX})})
    module = open_autoencoder("denoising", tmp_path / "x.safetensors").module
    keys = KINDS["denoising"].keys(KINDS["denoising"].config(LTX), state)
    back = keys.dump(module.state_dict())
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_statistics_of_another_model_are_taken_from_its_file(tmp_path):
    state = published("stacked", STACKED)
    state["scale"] = state["scale"] * 2
    opened = open_autoencoder("stacked", described(tmp_path / "x", state, STACKED))
    assert opened.autoencoder.normalise(torch.full((1, 2, 1, 1, 1), 4.5)).flatten()[0] == 1.0


def test_a_part_of_a_file_is_refused_by_module(tmp_path):
    state = published("causal_kl", CAUSAL)
    missing = [name for name in state if name.startswith("decoder.up_blocks.1.")]
    for name in missing:
        del state[name]
    state["decoder.up_blocks.7.resnets.0.norm1.weight"] = torch.zeros(4)
    folder = described(tmp_path / "x", state, CAUSAL)
    with pytest.raises(CheckpointError) as error:
        open_autoencoder("causal_kl", folder)
    text = str(error.value)
    assert f"missing: {len(missing)}, in decoder.up_blocks.1 ({len(missing)})" in text
    assert "unexpected: 1, in decoder.up_blocks.7 (1)" in text


def test_weights_of_another_kind_are_refused(tmp_path):
    folder = described(tmp_path / "x", published("causal_kl", CAUSAL), {})
    with pytest.raises(CheckpointError, match=r"no deep_compression, or a part(.|\n)*unexpected"):
        open_autoencoder("deep_compression", folder)
    (folder / "config.json").write_text(json.dumps(CAUSAL))
    with pytest.raises(CheckpointError, match="the description has no 'encoder'"):
        open_autoencoder("deep_compression", folder)


class Touch:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def test_a_pickle_with_code_is_refused_and_not_executed(tmp_path):
    trace = tmp_path / "trace"
    (tmp_path / "evil.ckpt").write_bytes(pickle.dumps({"state_dict": Touch(str(trace))}))
    torch.save({"state_dict": Touch(str(trace))}, tmp_path / "evil.pth")
    for name in ("evil.ckpt", "evil.pth"):
        with pytest.raises(CheckpointError, match="refused"):
            open_autoencoder("image_kl", tmp_path / name)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"autoencoder": "image_kl"}, "expected both, or neither"),
        ({"weights": "x"}, "expected both, or neither"),
        ({"autoencoder": "kl", "weights": "."}, "--autoencoder kl: expected one of image_kl"),
        ({"autoencoder": "image_kl", "weights": "nowhere"}, "nowhere: no such file or folder"),
    ],
)
def test_incomplete_wishes_are_refused(wish, reason):
    with pytest.raises(KineographError, match=reason):
        Reconstruct(videos=(Path("x.mp4"),), **wish).run()


@pytest.fixture
def hub(tmp_path: Path) -> dict[str, str]:
    """A cache with one model of two commits."""
    model = tmp_path / "hub" / "models--owner--name"
    for commit in ("abc123", "def456"):
        described(model / "snapshots" / commit / "vae", published("image_kl", IMAGE), IMAGE)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc123\n")
    return {"HF_HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("text", "commit"),
    [("owner/name/vae", "abc123"), ("owner/name@def456/vae", "def456"),
     ("owner/name@def/vae", "def456")],
)  # fmt: skip
def test_a_hub_id_means_what_is_in_the_cache(hub, text, commit):
    found = local(text, hub)
    assert found.parts[-3:] == ("snapshots", commit, "vae")
    assert open_autoencoder("image_kl", found).autoencoder.latent_shape(1, 8, 8) == (2, 1, 2, 2)


def test_where_the_cache_is():
    assert cache({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}) == Path("/a")
    assert cache({"HF_HOME": "/b"}) == Path("/b/hub")
    assert cache({"XDG_CACHE_HOME": "/c"}) == Path("/c/huggingface/hub")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("owner/other", "has no owner/other; fetch it with: hf download owner/other"),
        ("owner/name@xyz", "no revision 'xyz'; there is: abc123, def456"),
        ("owner/name/unet", "has no unet; there is: vae"),
        ("/no/where", "no such file or folder, and no hub id"),
    ],
)
def test_what_is_not_in_the_cache_is_not_fetched(hub, text, reason):
    with pytest.raises(CheckpointError, match=reason):
        local(text, hub)


def test_kinds_have_a_published_size_that_names_it():
    for kind, table in KINDS.items():
        assert {config.kind for config in table.published.values()} == {kind}
    with pytest.raises(ConfigError, match="expected one of"):
        open_autoencoder("unknown", Path())
