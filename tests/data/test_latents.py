"""Stored clips come back, shard by shard, to those whom they belong to."""

import json
from pathlib import Path

import pytest
import torch

from kineograph.data import latents
from kineograph.data.latents import Latents, describe, read, shard_path, write_shard
from kineograph.data.reading import LISTED
from kineograph.errors import DataError


def clips(first: int, count: int) -> Latents:
    """Clips that carry their own number."""
    number = torch.arange(first, first + count)
    draw = torch.Generator().manual_seed(first)
    return Latents(
        latents=number.view(-1, 1, 1, 1, 1).expand(-1, 4, 2, 3, 3).bfloat16(),
        focus=torch.rand(count, 1, 2, 3, 3, generator=draw),
        records=tuple({"seed": int(n), "words": ["a", "ü"]} for n in number),
    )


def cache(folder: Path) -> Path:
    describe(folder, {"autoencoder": "abc", "frames": 5})
    return folder


def test_shards_come_back_as_one_in_order(tmp_path: Path) -> None:
    for number, count in ((10, 2), (0, 3), (2, 1)):  # not in the order of their names
        write_shard(cache(tmp_path), number, clips(number, count))
    found = read(tmp_path, "abc")
    assert found.latents[:, 0, 0, 0, 0].tolist() == [0, 1, 2, 2, 10, 11]
    assert [record["seed"] for record in found.records] == [0, 1, 2, 2, 10, 11]
    assert found.records[0] == {"seed": 0, "words": ["a", "ü"]}
    assert found.latents.shape == (6, 4, 2, 3, 3) and found.latents.dtype == torch.bfloat16


def test_focus_is_kept_to_half_a_step_of_255(tmp_path: Path) -> None:
    given = clips(0, 8)
    write_shard(cache(tmp_path), 0, given)
    found = read(tmp_path, "abc").focus
    assert found.dtype == torch.uint8
    assert (found / 255 - given.focus).abs().max() <= 0.5 / 255 + 1e-6


def test_latents_are_rounded_to_bfloat16_and_no_further(tmp_path: Path) -> None:
    given = clips(0, 2)
    exact = torch.randn(2, 4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    write_shard(cache(tmp_path), 0, Latents(exact, given.focus, given.records))
    assert torch.equal(read(tmp_path, "abc").latents, exact.bfloat16())


def test_a_shard_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(latents, "save_file", full)
    with pytest.raises(DataError, match=r"latents-00003\.safetensors: cannot be written: .*space"):
        write_shard(tmp_path, 3, clips(0, 1))
    assert list(tmp_path.iterdir()) == []


def test_half_a_shard_is_not_read(tmp_path: Path) -> None:
    write_shard(cache(tmp_path), 0, clips(0, 1))
    shard_path(tmp_path, 1).with_suffix(".part").write_bytes(b"half of it")
    assert len(read(tmp_path, "abc").records) == 1


def test_another_autoencoder_is_refused_with_both_digests(tmp_path: Path) -> None:
    write_shard(cache(tmp_path), 0, clips(0, 1))
    with pytest.raises(DataError, match="made with autoencoder abc, expected xyz; make it again"):
        read(tmp_path, "xyz")


def test_what_is_no_cache_or_an_empty_one_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no cache\.json there; make a cache with"):
        read(tmp_path / "nothing", "abc")
    with pytest.raises(DataError, match="holds no clips yet"):
        read(cache(tmp_path), "abc")


def test_a_folder_is_described_once(tmp_path: Path) -> None:
    describe(tmp_path / "new", {"frames": 5, "fps": 8.0})
    describe(tmp_path / "new", {"frames": 5, "fps": 8.0})
    with pytest.raises(DataError, match=r"'frames': 5.*asked for.*'frames': 9.*another folder"):
        describe(tmp_path / "new", {"frames": 9, "fps": 8.0})
    text = (tmp_path / "new" / "cache.json").read_text()
    assert json.loads(text) == {"frames": 5, "fps": 8.0}


def test_a_damaged_shard_or_description_is_named(tmp_path: Path) -> None:
    latents.describe(tmp_path, {"autoencoder": "a"})
    latents.shard_path(tmp_path, 0).write_bytes(b"half")
    with pytest.raises(DataError, match="no complete shard"):
        latents.read(tmp_path, "a")
    (tmp_path / latents.DESCRIPTION).write_text('{"auto')
    with pytest.raises(DataError, match="cannot be read"):
        latents.read(tmp_path, "a")


def test_what_is_said_about_clips_is_read_without_their_latents(tmp_path: Path) -> None:
    assert latents.sentences(cache(tmp_path / "rendered")) == []
    describe(tmp_path / "listed", {"autoencoder": "a", "layout": LISTED})
    with pytest.raises(DataError, match="no complete listing"):
        latents.sentences(tmp_path / "listed")
    latents.write_listing(tmp_path / "listed", [{"captions": ["a", "b"]}, {"captions": ["c"]}])
    assert latents.sentences(tmp_path / "listed") == ["a", "b", "c"]
