"""A broken checkpoint is one clear line of error on every way in, and never runs code."""

import json
import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kineograph import recipes
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.checkpoints import files
from kineograph.checkpoints.public import open_sora_plan
from kineograph.cli import app
from kineograph.config import to_data
from kineograph.denoisers.ltx import LTXConfig
from kineograph.errors import CheckpointError
from kineograph.recipes.recipe import Sampling
from kineograph.text.words import WordsConfig
from kineograph.training.weights import load_autoencoder

CODER = WaveletFlowConfig(
    latent_channels=4,
    base=8,
    encoder_blocks=1,
    decoder_blocks=1,
    connect_blocks=1,
    encoder_energy=8,
    decoder_energy=8,
)
WIDTHS = {
    "base_channels": 8,
    "latent_dim": 4,
    "encoder_num_resblocks": 1,
    "decoder_num_resblocks": 1,
    "connect_res_layer_num": 1,
    "encoder_energy_flow_hidden_size": 8,
    "decoder_energy_flow_hidden_size": 8,
    "use_attention": True,
    "norm_type": "layernorm",
    "t_interpolation": "trilinear",
    "dropout": 0.0,
    "scale": [1.0] * 4,
    "shift": [0.0] * 4,
}
Damage = Callable[[Path], None]


class Code:
    """A pickle that writes a file when it is opened by a careless reader."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.mark), "w")


def change(edit: Callable[[dict[str, Tensor], str], object]) -> Damage:
    """Damage that rewrites the file with its first weight matrix changed."""

    def damage(path: Path) -> None:
        tensors = files.read(path)
        edit(tensors, next(name for name, one in tensors.items() if one.ndim > 1))
        files.write(path, tensors, files.read_metadata(path))

    return damage


def spoil(tensors: dict[str, Tensor], name: str) -> None:
    tensors[name].view(-1)[0] = torch.nan


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-64])


def hide(path: Path) -> None:
    path.unlink()
    path.mkdir()


def plant(path: Path) -> None:
    path.write_bytes(pickle.dumps(Code(path.with_name("mark"))))


DAMAGES: dict[str, tuple[Damage, str]] = {
    "missing": (change(lambda t, n: t.pop(n)), "missing: 1, in "),
    "extra": (change(lambda t, n: t.update(strange=torch.ones(2))), "unexpected: 1.*strange"),
    "misshaped": (change(lambda t, n: t.update({n: t[n][:-1]})), "of another shape: 1.*expected"),
    "not finite": (change(spoil), "1 of [0-9]+ values are not finite"),
    "another dtype": (change(lambda t, n: t.update({n: t[n].int()})), "torch.int32, expected"),
    "truncated": (cut, "cannot be read"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "a directory": (hide, "no weights|missing|several|cannot be read"),
    "absent": (lambda path: path.unlink(), "no such file|missing"),
    "code": (plant, "cannot be read"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder, and a public autoencoder beside it, that nothing is wrong with."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    recipe = replace(
        recipes.get("toybox"),
        autoencoder=CODER,
        text=WordsConfig(vocabulary=("ball",), length=5, width=16, heads=2),
        denoiser=LTXConfig(
            layers=1, heads=2, head_width=12, in_channels=4, out_channels=4, text_width=16
        ),
        sampling=Sampling(steps=1, frames=1, height=16, width=16, fps=8.0),
    )
    (folder / recipes.FILE).write_text(json.dumps(to_data(recipe)))
    coder = CODER.build().state_dict()
    for name, state in (
        ("autoencoder", coder),
        ("text", recipe.text.build().state_dict()),
        ("denoiser", recipe.denoiser.build().state_dict()),
    ):
        files.write(folder / f"{name}.safetensors", state, {})
    public = open_sora_plan.wavelet_flow_key_map(CODER, "bare").dump(coder)
    files.write(folder / "public" / "model.safetensors", public, {})
    (folder / "public" / "config.json").write_text(json.dumps(WIDTHS))
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy that can be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints when it fails, after a look at how it fails."""
    with pytest.raises(SystemExit) as stop:
        app.main(arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 1 and error.startswith("kineograph: ")
    assert "Traceback" not in error and error.count("kineograph: ") == 1
    return error


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("part", ["autoencoder", "text", "denoiser"])
def test_generate_names_what_is_wrong(part, damage, folder, capsys):
    spoiled, message = DAMAGES[damage]
    spoiled(folder / f"{part}.safetensors")
    out = str(folder / "out.mp4")
    error = said(["generate", "a ball", "--model", str(folder), "--out", out], capsys)
    assert re.search(message, error, re.DOTALL)
    assert not (folder / "mark").exists() and not (folder / "out.mp4").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_reconstruct_names_what_is_wrong(damage, folder, capsys):
    spoiled, message = DAMAGES[damage]
    file = folder / "public" / "model.safetensors"
    spoiled(file)
    kind = ["--autoencoder", "wavelet_flow", "--weights", str(file)]
    error = said(["reconstruct", "none.mp4", *kind, "--out", str(folder / "out")], capsys)
    assert re.search(message, error, re.DOTALL)
    assert not (folder / "public" / "mark").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_autoencoder_that_caches_are_made_with_is_looked_at(damage, folder):
    spoiled, message = DAMAGES[damage]
    spoiled(folder / "autoencoder.safetensors")
    with pytest.raises(CheckpointError, match="(?s)" + message):
        load_autoencoder(folder)
    assert not (folder / "mark").exists()


@pytest.mark.parametrize("ending", files.PICKLES)
def test_code_in_a_pickle_is_refused_and_never_run(ending, folder, capsys):
    file = folder / f"weights{ending}"
    torch.save({"weight": torch.ones(2), "code": Code(folder / "mark")}, file)
    kind = ["--autoencoder", "wavelet_flow", "--weights", str(file)]
    assert "holds code" in said(["reconstruct", "none.mp4", *kind], capsys)
    assert not (folder / "mark").exists()
    pickle.loads(pickle.dumps(Code(folder / "mark"))).close()
    assert (folder / "mark").exists()  # a careless reader would have run it


@pytest.mark.parametrize("damage", [cut, lambda path: path.write_bytes(b""), plant, hide])
def test_verify_names_what_is_wrong(damage, folder, capsys):
    golden = Path(__file__).parent.parent / "golden" / "stiv"
    vector = next(file for file in sorted(golden.glob("*.safetensors")))
    for ending in (".json", ".safetensors"):
        shutil.copy(vector.with_suffix(ending), folder / f"vector{ending}")
    damage(folder / "vector.safetensors")
    with pytest.raises(SystemExit) as stop:
        app.main(["verify", str(folder / "vector.json")])
    printed = capsys.readouterr()
    assert stop.value.code == 1 and "Traceback" not in printed.err + printed.out
    assert "cannot be read" in printed.err + printed.out
    assert not (folder / "mark").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("[]", r"recipe\.json: \[\] given"),
        ('{"name": 3}', "missing|name"),
        ("{", "cannot be read"),
    ],
)
def test_a_damaged_recipe_is_one_line_too(text, message, folder, capsys):
    (folder / recipes.FILE).write_text(text)
    error = said(["generate", "a ball", "--model", str(folder)], capsys)
    assert re.search(message, error, re.DOTALL)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"weight_map": {"a": 3}}, "a: 3, expected a file beside the index"),
        ({"weight_map": {"a": "../a.safetensors"}}, "expected a file beside the index"),
        ({"weight_map": {"a": "gone.safetensors"}}, "gone.safetensors: cannot be read"),
        ({"weights": {}}, "no shard index"),
        ([], "no shard index"),
    ],
)
def test_a_damaged_index_is_one_line_too(table, message, folder, capsys):
    (folder / "denoiser.safetensors.index.json").write_text(json.dumps(table))
    assert message in said(["generate", "a ball", "--model", str(folder)], capsys)
