"""A manifest says what a checkpoint holds; differences are told by kind and module."""

import gzip
import json

import pytest
import torch

from kineograph.checkpoints.manifest import compare, read_manifest, shapes
from kineograph.errors import CheckpointError


def test_equal_tables_have_no_differences():
    assert not compare({"a": (1, 2)}, {"a": (1, 2)})
    assert not compare({"a": (1,), "x": (2,)}, {"a": (1,)}, optional={"x": (2,), "y": (3,)})


def test_every_difference_is_found():
    found = {"a.w": (1, 2), "b.w": (3,), "x": (4,)}
    expected = {"a.w": (2, 1), "b.w": (3,), "c.w": (5,)}
    differences = compare(found, expected, optional={"x": (5,)})
    assert differences.missing == {"c.w": (5,)}
    assert not differences.unexpected
    assert differences.misshaped == {"a.w": ((1, 2), (2, 1)), "x": ((4,), (5,))}


def test_many_differences_are_counted_by_module_and_cut_short():
    expected = {f"blocks.{i}.{name}": (1,) for i in range(3) for name in "abc"}
    lines = compare({}, expected).lines(most=4)
    assert lines[0] == "missing: 9, in blocks.0 (3), blocks.1 (3), blocks.2 (3)"
    assert lines[-1] == "  ... and 5 more"
    assert len(lines) == 6


def test_shapes_of_meta_tensors_cost_nothing():
    assert shapes({"a": torch.empty(1 << 40, 2, device="meta")}) == {"a": (1 << 40, 2)}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_manifest_is_read_packed_or_plain(tmp_path, pack):
    data = {"kind": "s/k", "tensors": {"a": [1, 2], "b": []}, "optional_extra_tensors": {"c": [3]}}
    path = tmp_path / "full.v1.manifest.json.gz"
    path.write_bytes(pack(json.dumps(data).encode()))
    manifest = read_manifest(path)
    assert (manifest.name, manifest.kind, manifest.layout) == ("full.v1", "s/k", "original")
    assert manifest.tensors == {"a": (1, 2), "b": ()}
    assert manifest.optional == {"c": (3,)}


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        "no json",
        '{"tensors": {}}',
        '{"kind": "s/k", "tensors": []}',
        '{"kind": "s/k", "tensors": {"a": 3}}',
        '{"kind": "s/k", "tensors": {"a": ["x"]}}',
    ],
)
def test_what_is_no_manifest_is_named(tmp_path, content):
    path = tmp_path / "a.manifest.json"
    path.write_text(content)
    with pytest.raises(CheckpointError, match=r"a\.manifest\.json: "):
        read_manifest(path)
