"""Loading says what is missing, and refuses parts that do not go together."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from kineograph import recipes
from kineograph.checkpoints import files
from kineograph.config import to_data
from kineograph.denoisers.structure import StructureConfig
from kineograph.errors import CheckpointError, ConfigError
from kineograph.generation.device import Place
from kineograph.generation.load import load_parts

EXACT = Place(torch.device("cpu"), torch.float32)


def test_a_folder_gives_its_recipe_its_weights_and_their_digest(folder):
    parts, again = load_parts(folder, (), EXACT), load_parts(folder, (), EXACT)
    assert parts.recipe.name == "tiny"
    assert parts.digest == again.digest and len(parts.digest) == 12
    assert not any(p.requires_grad for p in parts.denoiser.parameters())


def test_overrides_reach_the_recipe(folder):
    assert load_parts(folder, ["sampling.steps=7"], EXACT).recipe.sampling.steps == 7
    with pytest.raises(ConfigError, match="did you mean 'steps'"):
        load_parts(folder, ["sampling.step=7"], EXACT)


def test_a_missing_part_is_named(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "text.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"text\.safetensors missing"):
        load_parts(copy, (), EXACT)


def test_a_recipe_without_weights_says_how_to_get_some(tmp_path, monkeypatch):
    monkeypatch.setattr("kineograph.recipes.weights", lambda name: tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="ships no weights; train it"):
        load_parts("toybox", (), EXACT)


def test_other_weights_change_the_digest(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shutil.copy(folder / "text.safetensors", copy / "spare")
    data = bytearray((copy / "text.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "text.safetensors").write_bytes(bytes(data))
    assert load_parts(copy, (), EXACT).digest != load_parts(folder, (), EXACT).digest


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("guidance.kind=skip_layer", "some of 28 blocks.*'ltx' has 2.*guidance.blocks=2"),
        ("injection.kind=given_channels", "LTX does not read them there"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(folder, wish, message):
    with pytest.raises(ConfigError, match=message):
        load_parts(folder, [wish], EXACT)


def test_a_controller_is_loaded_from_a_file_of_its_own_and_changes_the_digest(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    config = StructureConfig(width=24, blocks=2, patch=(1, 1, 1), heads=2, hidden=4, layers=1)
    recipe = replace(recipes.read(copy), controller=config)
    (copy / recipes.FILE).write_text(json.dumps(to_data(recipe)))
    with pytest.raises(CheckpointError, match=r"controller\.safetensors"):
        load_parts(copy, (), EXACT)
    built = config.build()
    files.write(copy / "controller.safetensors", built.state_dict(), {})
    parts = load_parts(copy, (), EXACT)
    assert parts.controller is not None and parts.digest != load_parts(folder, (), EXACT).digest
    assert torch.equal(parts.controller.conv_in.weight, built.conv_in.weight)
