"""`kineograph verify` speaks to people and programs, and its exit code says what was found."""

import json
from pathlib import Path

import pytest

from kineograph.cli.app import main


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main(["verify", *map(str, arguments)])
    return int(end.value.code or 0)


def save(path: Path, data: object) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_plain_data_exits_with_0(tmp_path, capsys):
    assert run(save(tmp_path / "a.json", {"kind": None})) == 0
    assert "1 plain data" in capsys.readouterr().out


def test_an_unknown_kind_exits_with_3_and_a_damaged_file_with_1(tmp_path, capsys):
    unknown = save(tmp_path / "a.json", {"kind": "no_system/nothing"})
    assert run(unknown) == 3
    assert "no_system/nothing" in capsys.readouterr().out
    assert run(unknown, tmp_path / "none.json") == 1


def test_json_is_all_that_the_json_format_prints(tmp_path, capsys):
    file = save(tmp_path / "a.json", {"kind": "no_system/nothing"})
    assert run(file, file, "--format", "json") == 3
    assert json.loads(capsys.readouterr().out)["exit_code"] == 3


def test_the_manifest_flag_takes_many_files(tmp_path, capsys):
    manifest = {"kind": "no_system/nothing", "tensors": {"a": [1]}}
    files = [save(tmp_path / name, manifest) for name in ("a.json", "b.json")]
    assert run("--manifest", *files) == 3
    assert "2 files: 0 passed, 0 failed, 2 not supported yet" in capsys.readouterr().out
    assert run("--manifest", save(tmp_path / "c.json", {"kind": None})) == 1
