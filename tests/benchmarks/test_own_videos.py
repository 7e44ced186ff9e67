"""The table of a model's own clips says how far each one is from what the autoencoder can show."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image


@pytest.fixture(scope="module")
def bench(root: Path) -> Iterator[ModuleType]:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("own_videos", root / "benchmarks/own_videos.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_each_clip_has_its_distance_and_its_three_rows(bench: ModuleType, tmp_path: Path) -> None:
    grey = torch.full((3, 16, 16, 3), 100, dtype=torch.uint8)
    known = bench.Known("a heron lands", grey, grey + 5, grey + 10)
    rebuilt, generated = known.decibels
    assert rebuilt - generated == pytest.approx(6.02, abs=0.01), "twice the error"
    assert bench.table([known])[-1] == "| a heron lands | 34.15 | 28.13 | 6.02 |"
    bench.sheet([known], tmp_path / "sheet.jpg")
    assert Image.open(tmp_path / "sheet.jpg").height > 3 * 128
