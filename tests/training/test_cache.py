"""A cache is the same however often its making was stopped, and belongs to its autoencoder."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kineograph.data import latents
from kineograph.errors import DataError
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import Clips
from kineograph.toybox.scene import from_json
from kineograph.toybox.world import sample_scene
from kineograph.training import cache
from kineograph.training.cache import Plan, cover, encode, make
from kineograph.training.clips import drawn
from kineograph.training.weights import digest, load_autoencoder, save_part, save_recipe


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of four clips, encoded two by two."""
    monkeypatch.setattr(cache, "SHARD", 4)
    monkeypatch.setattr(cache, "TOGETHER", 2)


def quiet(line: str) -> None:
    """Say nothing."""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_cache_holds_its_clips_in_order(recipe: Recipe, weights: Path, tmp_path: Path) -> None:
    said: list[str] = []
    make(recipe, weights, Plan(tmp_path, clips=6, seed=70), 1, said.append)
    found = latents.read(tmp_path, digest(weights, "autoencoder"))
    assert found.latents.shape == (6, 4, 2, 2, 2) and found.latents.dtype == torch.bfloat16
    assert found.focus.shape == (6, 1, 2, 2, 2) and found.focus.dtype == torch.uint8
    scenes = [from_json(record) for record in found.records]
    assert scenes == [sample_scene(1, seed) for seed in range(70, 76)]
    assert said == ["clips 0 to 4 of 6", "clips 4 to 6 of 6"]
    again = encode([drawn(recipe.cache, range(74, 75))], load_autoencoder(weights))
    assert torch.allclose(found.latents[4].float(), again.latents[0].float(), atol=0.02)


def test_a_cache_that_was_stopped_becomes_the_same_cache_with_workers_or_without(
    recipe: Recipe, weights: Path, tmp_path: Path
) -> None:
    def stop(line: str) -> None:
        if line.startswith("clips 4 to 8"):
            raise KeyboardInterrupt

    plans = [
        Plan(tmp_path / "whole", clips=10, seed=70, workers=1),
        Plan(tmp_path / "parted", clips=10, seed=70),
    ]
    make(recipe, weights, plans[0], 1, quiet)
    with pytest.raises(KeyboardInterrupt):
        make(recipe, weights, plans[1], 1, stop)
    names = {"cache.json", "latents-00000.safetensors", "latents-00001.safetensors"}
    assert set(contents(tmp_path / "parted")) == names
    said: list[str] = []
    make(recipe, weights, plans[1], 1, said.append)
    assert said == ["clips 8 to 10 of 10"]
    assert contents(tmp_path / "parted") == contents(tmp_path / "whole")


def test_a_folder_keeps_to_one_autoencoder_and_one_kind_of_clip(
    recipe: Recipe, weights: Path, tmp_path: Path
) -> None:
    make(recipe, weights, Plan(tmp_path / "cache", clips=0, seed=70), 1, quiet)
    torch.manual_seed(5)
    save_recipe(tmp_path / "other", recipe)
    save_part(tmp_path / "other", "autoencoder", recipe.autoencoder.build())
    images = replace(recipe, cache=replace(recipe.cache, frames=1))
    for asked, folder, seed in (
        (recipe, tmp_path / "other", 70),
        (images, weights, 70),
        (recipe, weights, 71),
    ):
        with pytest.raises(DataError, match=r"holds a cache of .* choose another folder"):
            make(asked, folder, Plan(tmp_path / "cache", clips=0, seed=seed), 1, quiet)


def test_a_stored_image_is_the_first_frame_of_its_stored_clip(weights: Path) -> None:
    autoencoder = load_autoencoder(weights)
    clip = encode([drawn(Clips(frames=17, size=16), range(3))], autoencoder)
    image = encode([drawn(Clips(frames=1, size=16), range(3))], autoencoder)
    assert clip.latents.shape[2] == 5 and image.latents.shape[2] == 1
    assert torch.allclose(clip.latents[:, :, :1].float(), image.latents.float(), atol=0.02)
    assert torch.equal(clip.focus[:, :, :1], image.focus)


def test_cells_are_covered_where_an_object_is_at_any_moment() -> None:
    mask = torch.zeros(1, 1, 5, 16, 16)
    mask[:, :, 0, :8, :4] = 1.0  # half of the first cell, in the picture that comes first
    mask[:, :, 2, 8:, 8:] = 1.0  # the last cell, for one of four frames
    found = cover(mask, (2, 2, 2))
    assert found.shape == (1, 1, 2, 2, 2)
    assert found[0, 0].tolist() == [[[0.5, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]
    assert torch.equal(cover(mask[:, :, :1], (1, 2, 2)), found[:, :, :1])


def test_a_cache_that_grows_has_no_hole(
    recipe: Recipe, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "SHARD", 4)
    for clips in (6, 12):
        cache.make(recipe, weights, cache.Plan(tmp_path, clips, 0), 1, lambda _: None)
    assert len(latents.read(tmp_path, digest(weights, "autoencoder")).records) == 12
