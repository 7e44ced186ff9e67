"""`verify` passes a right vector, fails every kind of wrong one, and never stops half way."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from kineograph.checkpoints.keymap import KeyMap, Rename
from kineograph.proof.systems import Adapters
from kineograph.proof.vector import Manifest, Results, Vector, read_vector
from kineograph.proof.verify import verify

KEYS = KeyMap((Rename("w", "weight"),))


def scale(vector: Vector) -> Results:
    """The adapter of the test: y = w * x."""
    ours = KEYS.load(vector.state)
    y = ours["weight"] * vector.inputs["x"]
    return Results(
        {"y": y, "alternative": y}, KEYS.dump(ours), informative=frozenset({"alternative"})
    )


def wide(vector: Vector) -> Results:
    """The same, computed in float32 whatever the state has."""
    state = {name: tensor.float() for name, tensor in vector.state.items()}
    return scale(replace(vector, state=state))


def table(vector: Vector) -> Results:
    """The adapter of vectors without tensors: n -> n + 1."""
    cases = vector.meta["cases"]
    return Results(
        {"next": torch.tensor([n + 1 for n, _ in cases])},
        expected={"next": torch.tensor([after for _, after in cases])},
    )


def crash(vector: Vector) -> Results:
    raise RuntimeError("first line\nsecond line")


def extra(vector: Vector) -> Results:
    return Results({**vector.outputs, "stray": torch.ones(1)})


def copy(vector: Vector) -> Results:
    return Results(vector.outputs)


def nothing(vector: Vector) -> Results:
    return Results(vector.outputs, informative=frozenset(vector.outputs))


def sizes(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    width = manifest.config["width"]
    return {"blocks.0.w": (width, width), "blocks.0.b": (width,)}


ADAPTERS = Adapters(
    vectors={
        "s/scale": scale,
        "s/wide": wide,
        "s/table": table,
        "s/crash": crash,
        "s/extra": extra,
        "s/nothing": nothing,
        "s/copy": copy,
    },
    manifests={"s/sizes": sizes},
)

PROGRAMS = Adapters(vectors={"s/deep/copy": copy}, manifests={})


def save(
    folder: Path, name: str, meta: Mapping[str, object], tensors: dict[str, Tensor] | None = None
) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(meta))
    if tensors is not None:
        save_file(tensors, path.with_suffix(".safetensors"))
    return path


def tensors() -> dict[str, Tensor]:
    x, w = torch.linspace(1, 2, 6).reshape(2, 3), torch.tensor([1.0, -2.0, 3.0])
    return {"state/w": w, "in/x": x, "out/y": w * x, "out/alternative": x + 1, "mid/z": -x}


def manifest(folder: Path, shapes: dict[str, list[int]], **more: object) -> Path:
    path = folder / "full.manifest.json.gz"
    data = {"kind": "s/sizes", "config": {"width": 8}, "tensors": shapes, **more}
    path.write_bytes(gzip.compress(json.dumps(data).encode()))
    return path


def run(*paths: Path, manifests: bool = False):
    return verify(paths, manifests=manifests, adapters=ADAPTERS)


def test_a_right_vector_passes_and_shows_every_number(tmp_path):
    report = run(save(tmp_path, "a", {"kind": "s/scale"}, tensors()))
    (entry,) = report.entries
    assert (report.exit_code, entry.status, entry.written) == (0, "pass", True)
    text = report.text()
    assert "y            max 0.000e+00  relative 0.000e+00  tolerance 1e-04  PASS" in text
    assert "state written back: bit for bit  PASS" in text
    assert "informative: too far" in text


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_state_comes_back_in_the_file_s_own_dtype(tmp_path, dtype):
    stored = {name: t.to(dtype) if name == "state/w" else t for name, t in tensors().items()}
    (entry,) = run(save(tmp_path, "a", {"kind": "s/wide"}, stored)).entries
    assert entry.status == "pass" and entry.written
    stored["state/w"] = stored["state/w"] + 1
    (entry,) = run(save(tmp_path, "a", {"kind": "s/wide"}, stored)).entries
    assert entry.status == "fail" and entry.written


def test_json_or_safetensors_or_folder_name_the_same_vector_once(tmp_path):
    path = save(tmp_path, "a", {"kind": "s/scale"}, tensors())
    for paths in ([path], [path.with_suffix(".safetensors")], [tmp_path], [path, tmp_path]):
        assert [entry.status for entry in run(*paths).entries] == ["pass"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"out/y": tensors()["out/y"] + 1e-3}, "FAIL: too far"),
        (
            {"out/y": tensors()["out/y"].T.contiguous()},
            "max -          relative -          tolerance 1e-04  FAIL: shape 2x3, expected 3x2",
        ),
        ({"out/y": tensors()["out/y"] * torch.nan}, "NaN in other places"),
        ({"out/y": tensors()["out/y"].int()}, "dtype float32, expected int32"),
        ({"out/w": torch.ones(1)}, "missing"),
        ({"state/v": torch.ones(1)}, "no rule for v"),
        ({"state/w": torch.ones(4)}, "FAIL"),
    ],
)
def test_a_changed_vector_fails_with_a_reason(tmp_path, change, line):
    report = run(save(tmp_path, "a", {"kind": "s/scale"}, tensors() | change))
    assert report.exit_code == 1
    assert line in report.text()


@pytest.mark.parametrize("name", ["state/w", "in/x"])
def test_a_vector_without_a_tensor_that_it_needs_fails(tmp_path, name):
    rest = {key: tensor for key, tensor in tensors().items() if key != name}
    report = run(save(tmp_path, "a", {"kind": "s/scale"}, rest))
    assert report.exit_code == 1
    assert name.split("/")[1] in report.entries[0].reasons[0]


def test_outputs_that_the_vector_lacks_are_named_and_not_compared(tmp_path):
    report = run(save(tmp_path, "a", {"kind": "s/extra"}, {"out/y": torch.ones(1)}))
    assert report.exit_code == 0
    assert "not stored, so not compared: stray" in report.text()


@pytest.mark.parametrize("stored", [None, {"out/y": torch.ones(1)}])
def test_comparing_nothing_that_counts_is_no_pass(tmp_path, stored):
    assert run(save(tmp_path, "a", {"kind": "s/nothing"}, stored)).exit_code == 1


def test_a_state_that_does_not_come_back_is_said(tmp_path):
    path = save(tmp_path, "a", {"kind": "s/copy"}, tensors())
    assert "note: the state was not written back" in run(path).text()


def test_a_table_is_compared_with_the_values_in_its_json(tmp_path):
    assert run(save(tmp_path, "a", {"kind": "s/table", "cases": [[1, 2], [5, 6]]})).exit_code == 0
    assert run(save(tmp_path, "a", {"kind": "s/table", "cases": [[1, 2], [5, 7]]})).exit_code == 1


def test_a_crash_is_one_line_and_the_rest_goes_on(tmp_path):
    bad = save(tmp_path, "a", {"kind": "s/crash"})
    good = save(tmp_path, "b", {"kind": "s/scale"}, tensors())
    report = run(bad, good)
    assert [entry.status for entry in report.entries] == ["fail", "pass"]
    assert report.entries[0].reasons == ("RuntimeError: first line",)
    assert report.exit_code == 1


def test_an_unknown_kind_is_named_and_exits_with_3(tmp_path):
    unknown = save(tmp_path, "a", {"kind": "s/later"})
    good = save(tmp_path, "b", {"kind": "s/scale"}, tensors())
    report = run(unknown, good)
    assert report.exit_code == 3
    assert "1 not supported yet (s/later)" in report.summary()


def test_a_failure_weighs_more_than_an_unknown_kind(tmp_path):
    report = run(save(tmp_path, "a", {"kind": "s/later"}), save(tmp_path, "b", {"kind": "s/crash"}))
    assert report.exit_code == 1


def test_plain_data_is_no_failure(tmp_path):
    report = run(save(tmp_path, "a", {"kind": None, "rows": [1]}))
    assert report.exit_code == 0
    assert "data, nothing to verify" in report.text()


def test_a_missing_kind_is_the_folder_and_the_first_part_of_the_name(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    path = save(folder, "scale.two.three", {}, tensors())
    assert read_vector(path).kind == "s/scale"
    assert run(path).entries[0].status == "pass"
    path.unlink()
    assert run(path.with_suffix(".safetensors")).entries[0].status == "pass"


def test_where_programs_share_a_name_the_file_s_further_parts_tell_the_kind(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    entries = [
        verify([save(folder, name, {}, {"out/y": torch.ones(1)})], adapters=PROGRAMS).entries[0]
        for name in ("deep.copy.one", "deep.other.one")
    ]
    assert [(one.kind, one.status) for one in entries] == [
        ("s/deep/copy", "pass"),
        ("s/deep", "unsupported"),
    ]


def test_weights_may_come_from_a_sibling(tmp_path):
    save(tmp_path, "weights", {"kind": None}, {"state/w": tensors()["state/w"]})
    own = {name: t for name, t in tensors().items() if name != "state/w"}
    path = save(tmp_path, "a", {"kind": "s/scale", "state_from": "weights"}, own)
    assert run(path).exit_code == 0
    path = save(tmp_path, "a", {"kind": "s/scale", "state_from": "nobody"}, own)
    assert "nobody.safetensors: cannot be read" in run(path).text()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\x1f\x8bno", b"\xff\xfe", b'{"kind": 5}'])
def test_a_damaged_file_fails_by_its_name(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    report = run(path)
    assert report.exit_code == 1
    assert "a.json" in report.entries[0].reasons[0]


def test_a_cut_off_safetensors_file_fails(tmp_path):
    path = save(tmp_path, "a", {"kind": "s/scale"}, tensors())
    whole = path.with_suffix(".safetensors").read_bytes()
    path.with_suffix(".safetensors").write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in run(path).text()


def test_no_file_and_an_empty_folder_fail(tmp_path):
    assert run(tmp_path / "none.json").exit_code == 1
    assert run(tmp_path).exit_code == 1


def test_an_adapter_cannot_change_what_it_is_compared_with(tmp_path):
    path = save(tmp_path, "a", {"kind": "s/scale"}, tensors())
    before = path.with_suffix(".safetensors").read_bytes()
    read_vector(path).outputs["y"].zero_()
    assert path.with_suffix(".safetensors").read_bytes() == before
    assert torch.equal(load_file(path.with_suffix(".safetensors"))["out/y"], tensors()["out/y"])


def test_a_manifest_passes_only_with_the_same_names_and_shapes(tmp_path):
    right = {"blocks.0.w": [8, 8], "blocks.0.b": [8]}
    assert run(manifest(tmp_path, right)).exit_code == 0
    for wrong, line in [
        ({"blocks.0.w": [8, 9], "blocks.0.b": [8]}, "blocks.0.w 8x8, expected 8x9"),
        ({"blocks.0.w": [8, 8]}, "unexpected: 1, in blocks.0 (1)"),
        ({**right, "out.w": [1]}, "missing: 1, in out (1)"),
    ]:
        report = run(manifest(tmp_path, wrong))
        assert report.exit_code == 1
        assert line in report.text()


def test_optional_names_of_a_manifest_may_be_there(tmp_path):
    path = manifest(tmp_path, {"blocks.0.w": [8, 8]}, optional_extra_tensors={"blocks.0.b": [8]})
    assert run(path).exit_code == 0


def test_any_file_can_be_taken_as_a_manifest(tmp_path):
    data = {"kind": "s/sizes", "config": {"width": 1}, "tensors": {}}
    path = save(tmp_path, "x", data)
    assert "unexpected: 2" in run(path, manifests=True).text()
    path = save(tmp_path, "y", {"kind": "s/scale"}, tensors())
    assert "no manifest" in run(path, manifests=True).text()


def test_the_report_is_json_even_with_numbers_that_are_not(tmp_path):
    change = {"out/y": tensors()["out/y"].T.contiguous()}
    report = run(save(tmp_path, "a", {"kind": "s/scale"}, tensors() | change))
    data = json.loads(json.dumps(report.data(), allow_nan=False))
    assert data["exit_code"] == 1
    assert data["files"][0]["outputs"][1]["name"] == "y"
