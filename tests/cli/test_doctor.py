"""`kineograph doctor` says what there is and why something is not, quick things first."""

import json
import subprocess
import sys
from importlib import metadata

import pytest

from kineograph.cli import doctor
from kineograph.cli.doctor import ACCELERATORS, Doctor, Finding, findings


def test_everything_is_named_once_with_a_reason(capsys):
    assert Doctor(format="json").run() == 0
    found = json.loads(capsys.readouterr().out)
    names = [one["name"] for one in found]
    assert {"python", "memory", "disk", "torch", "av", "bfloat16", *ACCELERATORS} <= set(names)
    assert all(one["words"] for one in found)
    assert not [one for one in found if one["state"] == "bad"]


def test_text_has_a_line_for_each(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "findings", lambda: iter([Finding("one", "ok", "fine")]))
    assert Doctor().run() == 0
    assert capsys.readouterr().out.split() == ["ok", "one", "fine"]


def test_something_needed_that_is_missing_is_an_exit_code(monkeypatch):
    monkeypatch.setattr(doctor, "findings", lambda: iter([Finding("av", "bad", "not installed")]))
    assert Doctor().run() == 1


@pytest.mark.parametrize(
    ("installed", "state", "words"),
    [(None, "bad", "not installed"), ("1.2", "bad", "older than"), ("16.1+cpu", "ok", "16.1")],
)
def test_a_requirement_is_found_too_old_or_missing(installed, state, words, monkeypatch):
    def version(name: str) -> str:
        if installed is None:
            raise metadata.PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(metadata, "version", version)
    found = doctor._package("av>=16", "bad", "install it")
    assert found.state == state and words in found.words


def test_torch_is_not_imported_before_its_own_line():
    code = (
        "import sys\n"
        "from kineograph.cli.doctor import findings\n"
        "for one in findings():\n"
        "    if one.name == 'bitsandbytes': print('torch' in sys.modules); break\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_the_accelerators_say_why_not(monkeypatch):
    lines = {one.name: one for one in findings() if one.name in ACCELERATORS}
    for name, one in lines.items():
        assert one.state == "ok" or "not installed" in one.words, name
