"""What training writes is what generation reads; random numbers follow from a seed."""

from pathlib import Path

import pytest
import torch

from kineograph import recipes
from kineograph.errors import CheckpointError
from kineograph.generation.device import Place
from kineograph.generation.load import load_parts
from kineograph.recipes.recipe import Recipe
from kineograph.training.run import generator_draws
from kineograph.training.weights import digest, load_autoencoder, save_part, save_recipe


def test_a_folder_that_training_wrote_is_read_by_generation(recipe: Recipe, tmp_path: Path) -> None:
    torch.manual_seed(3)
    modules = {
        "autoencoder": recipe.autoencoder.build(),
        "text": recipe.text.build(),
        "denoiser": recipe.denoiser.build(),
    }
    save_recipe(tmp_path / "new", recipe)
    for name, module in modules.items():
        save_part(tmp_path / "new", name, module)
    parts = load_parts(tmp_path / "new", (), Place(torch.device("cpu"), torch.float32))
    assert parts.recipe == recipes.read(tmp_path / "new") == recipe
    read = {"autoencoder": parts.autoencoder, "text": parts.text, "denoiser": parts.denoiser}
    for name, module in modules.items():
        part = read[name]
        assert isinstance(part, torch.nn.Module)
        found = part.state_dict()
        for key, tensor in module.state_dict().items():
            assert torch.equal(found[key], tensor.bfloat16().float()), f"{name}: {key}"


def test_other_weights_have_another_digest(recipe: Recipe, weights: Path, tmp_path: Path) -> None:
    save_part(tmp_path, "autoencoder", load_autoencoder(weights))
    assert digest(tmp_path, "autoencoder") == digest(weights, "autoencoder")
    torch.manual_seed(9)
    save_part(tmp_path, "autoencoder", recipe.autoencoder.build())
    assert digest(tmp_path, "autoencoder") != digest(weights, "autoencoder")


def test_an_autoencoder_comes_back_ready_to_encode(weights: Path) -> None:
    autoencoder = load_autoencoder(weights)
    assert not autoencoder.training
    assert not any(parameter.requires_grad for parameter in autoencoder.parameters())


def test_weights_that_do_not_fit_their_recipe_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    save_recipe(tmp_path, recipe)
    save_part(tmp_path, "autoencoder", recipe.text.build())
    with pytest.raises(CheckpointError):
        load_autoencoder(tmp_path)


def test_draws_follow_from_their_seed_in_the_order_of_asking() -> None:
    one, same, other = generator_draws(1), generator_draws(1), generator_draws(2)
    first = one((2, 3))
    assert torch.equal(first, same((2, 3))) and not torch.equal(first, other((2, 3)))
    assert torch.equal(one((4,)), same((4,))) and not torch.equal(first, one((2, 3)))


def test_a_folder_that_cannot_be_written_is_named(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"recipe\.json: cannot be written: Not a directory"):
        save_recipe(tmp_path / "file" / "weights", recipe)
    with pytest.raises(CheckpointError, match=r"autoencoder\.safetensors"):
        save_part(tmp_path / "file" / "weights", "autoencoder", torch.nn.Linear(1, 1))
