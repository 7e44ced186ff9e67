"""Recipes are found by name, are data without logic, and their parts go together."""

import ast
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import kineograph.recipes
from kineograph import recipes
from kineograph.config import from_data, to_data
from kineograph.errors import CheckpointError, ConfigError
from kineograph.recipes.recipe import Recipe
from kineograph.toybox.captions import caption, vocabulary
from kineograph.toybox.world import LEVELS, sample_scene

FOLDER = Path(kineograph.recipes.__file__).parent
FILES = sorted(path for path in FOLDER.glob("*.py") if path.name != "__init__.py")
STATEMENTS = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.ClassDef)
LOGIC = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.If,
    ast.IfExp,
    ast.For,
    ast.While,
    ast.With,
    ast.Try,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.BoolOp,
    ast.Compare,
)


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recipe_is_data_without_logic(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert [
        ast.dump(n) for n in tree.body if not isinstance(n, STATEMENTS) and not is_text(n)
    ] == []
    assert [n.lineno for n in ast.walk(tree) if isinstance(n, LOGIC)] == []
    factories = {
        id(keyword.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "default_factory"
    }
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    assert all(id(node) in factories for node in lambdas), "a lambda that is no default"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_classes_of_recipes_are_frozen_and_hold_fields_only(file: Path) -> None:
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef):
            assert [ast.unparse(one) for one in node.decorator_list] == [
                "dataclass(frozen=True, kw_only=True)"
            ]
            fields = [one for one in node.body if not is_text(one)]
            assert fields and all(isinstance(one, ast.AnnAssign) for one in fields), node.name


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_is_found_under_the_name_it_bears(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.name == name and recipe.summary and recipe.paper
    assert recipes.weights(name).parts[-2:] == ("weights", name)


@pytest.mark.parametrize("name", ("toybox", "toybox-64", "toybox-large"))
def test_the_parts_of_the_toybox_go_together(name: str) -> None:
    recipe = recipes.get(name)
    with torch.device("meta"):
        autoencoder = recipe.autoencoder.build()
    sampled = recipe.sampling
    channels, frames, rows, columns = autoencoder.latent_shape(
        sampled.frames, sampled.height, sampled.width
    )
    denoiser, text = recipe.denoiser, recipe.text
    assert denoiser.in_channels == denoiser.out_channels == channels
    assert denoiser.text_width == text.width and denoiser.pooled_width in (None, text.width)
    assert rows % denoiser.patch == columns % denoiser.patch == 0
    assert denoiser.spatial_scale * rows == sampled.height
    assert denoiser.temporal_scale * (frames - 1) + 1 == sampled.frames
    for stage in recipe.stages:
        assert 1 <= stage.latent_frames <= frames
    for clips in (recipe.cache, *(stage.clips for stage in recipe.autoencoder_stages)):
        assert clips.level in LEVELS
        assert autoencoder.latent_shape(clips.frames, clips.size, clips.size)


def test_the_toybox_is_built_like_the_smaller_one_that_it_begins_from() -> None:
    large, small = recipes.get("toybox"), recipes.get("toybox-64")
    assert (large.autoencoder, large.text) == (small.autoencoder, small.text)
    assert replace(large.denoiser, max_positions=small.denoiser.max_positions) == small.denoiser
    (_, *sides), (_, *small_sides) = large.denoiser.max_positions, small.denoiser.max_positions
    assert sides == [large.sampling.height, large.sampling.width]
    assert small_sides == [small.sampling.height, small.sampling.width]


def test_the_toybox_reads_every_caption_of_its_world_whole() -> None:
    recipe = recipes.get("toybox")
    assert recipe.text.vocabulary == vocabulary()
    text = replace(recipe.text, width=8, heads=1).build()
    draw = random.Random(0)
    captions = [caption(sample_scene(recipe.cache.level, seed), draw) for seed in range(500)]
    assert {text.unknown(one) for one in captions} == {()}
    assert set(text.tokenise(captions)[1]) == {""}


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("toybx", "did you mean 'toybox'"), ("zebra", "there is: lab-causal-kl, ")],
)
def test_a_wrong_name_is_answered_with_the_nearest_or_all(wrong: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"no recipe '{wrong}'; {hint}"):
        recipes.get(wrong)
    with pytest.raises(ConfigError, match=f"no recipe or weights folder '{wrong}'; {hint}"):
        recipes.weights(wrong)


def test_a_folder_is_its_own_weights_folder(tmp_path: Path) -> None:
    assert recipes.weights(str(tmp_path)) == tmp_path


def test_a_weights_folder_gives_back_its_resolved_recipe(tmp_path: Path) -> None:
    recipe = replace(recipes.get("toybox"), name="other", summary="changed")
    (tmp_path / recipes.FILE).write_text(json.dumps(to_data(recipe)), encoding="utf-8")
    assert recipes.read(tmp_path) == recipe


def test_a_folder_without_a_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no recipe\.json there"):
        recipes.read(tmp_path)


def test_a_recipe_is_read_strictly(tmp_path: Path) -> None:
    data = to_data(recipes.get("toybox"))
    data["denoiser"]["layrs"] = 3
    with pytest.raises(ConfigError, match=r"layrs.*did you mean 'layers'"):
        from_data(Recipe, data)
    (tmp_path / recipes.FILE).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ConfigError, match="layrs"):
        recipes.read(tmp_path)
