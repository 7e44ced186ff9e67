"""A part of a weights folder comes back as it was written, in one file or in several."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from kineograph.checkpoints import files, parts


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    return {f"layer.{i}": torch.full((100,), float(i)) for i in range(5)}


def same(folder: Path, tensors: dict[str, Tensor]) -> bool:
    found = files.read(parts.find(folder, "denoiser"))
    return found.keys() == tensors.keys() and all(
        torch.equal(found[name], tensor) for name, tensor in tensors.items()
    )


def test_a_small_part_is_one_file(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    parts.write(tmp_path, "denoiser", tensors)
    assert [path.name for path in tmp_path.iterdir()] == ["denoiser.safetensors"]
    assert same(tmp_path, tensors)


def test_a_large_part_is_several_files_below_the_limit(
    tmp_path: Path, tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LIMIT", 900)
    parts.write(tmp_path, "denoiser", tensors)
    assert len(list(tmp_path.glob("denoiser-*.safetensors"))) == 3
    assert same(tmp_path, tensors)


def test_writing_again_leaves_nothing_of_the_other_form(
    tmp_path: Path, tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LIMIT", 900)
    parts.write(tmp_path, "denoiser", tensors)
    monkeypatch.setattr(parts, "LIMIT", 9000)
    parts.write(tmp_path, "denoiser", tensors)
    assert [path.name for path in tmp_path.iterdir()] == ["denoiser.safetensors"]


def test_the_digest_of_shards_follows_their_content(
    tmp_path: Path, tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LIMIT", 900)
    parts.write(tmp_path, "denoiser", tensors)
    before = files.digest(parts.find(tmp_path, "denoiser"))
    parts.write(tmp_path, "denoiser", tensors | {"layer.4": torch.zeros(100)})
    assert files.digest(parts.find(tmp_path, "denoiser")) != before


def test_a_part_that_is_absent_is_looked_for_under_its_plain_name(tmp_path: Path) -> None:
    assert parts.find(tmp_path, "text") == tmp_path / "text.safetensors"
