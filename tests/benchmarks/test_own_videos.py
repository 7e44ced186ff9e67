"""The table of a model's own clips says how far each one is from what the autoencoder can show."""

from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

SCRIPT = "own_videos"


def test_each_clip_has_its_distance_and_its_three_rows(bench: ModuleType, tmp_path: Path) -> None:
    grey = torch.full((3, 16, 16, 3), 100, dtype=torch.uint8)
    known = bench.Known("a heron lands", grey, grey + 5, grey + 10)
    rebuilt, generated = known.decibels
    assert rebuilt - generated == pytest.approx(6.02, abs=0.01), "twice the error"
    assert bench.table([known])[-1] == "| a heron lands | 34.15 | 28.13 | 6.02 |"
    bench.sheet([known], tmp_path / "sheet.jpg")
    assert Image.open(tmp_path / "sheet.jpg").height > 3 * 128


def test_adapters_are_the_same_only_to_the_bit(bench: ModuleType) -> None:
    one = {"a": torch.tensor([1.0, 2.0]), "alpha": torch.tensor(4.0)}
    assert bench.equal(one, {name: tensor.clone() for name, tensor in one.items()})
    assert not bench.equal(one, {"a": one["a"]})
    assert not bench.equal(one, {**one, "a": one["a"].double()})
    assert not bench.equal(one, {**one, "a": one["a"] + 1e-7})
