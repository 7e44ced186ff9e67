"""The words of the Makefile: the prompt arrives as it was typed, nothing is done twice."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROMPTS = [
    "a red ball moves right",
    'it\'s a "red" ball; `ls` | $HOME $(shell touch bad) ${x} $$ # not a remark',
    "--out elsewhere",
    "ein roter Ball\trollt \\ nach rechts",
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile beside an environment whose command prints its arguments, one a line."""
    if shutil.which("make") is None:
        pytest.skip("no make")
    for name in ("pyproject.toml", "constraints.txt", "Makefile"):
        shutil.copy(ROOT / name, tmp_path)
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("python", "kineograph"):
        (binaries / name).write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
        (binaries / name).chmod(0o755)
    (tmp_path / ".venv" / ".installed").touch()
    return tmp_path


def make(folder: Path, *arguments: str, **environment: str) -> str:
    """What make prints, from a clean environment."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_a_prompt_arrives_as_it_was_typed(checkout: Path, prompt: str, way: str) -> None:
    if way == "argument":
        printed = make(checkout, "demo", f"PROMPT={prompt}")
    else:
        printed = make(checkout, "demo", PROMPT=prompt)
    assert printed.splitlines()[:5] == ["generate", "--out", "demo.mp4", "--", prompt]
    assert f"{checkout}/demo.mp4" in printed
    assert not (checkout / "bad").exists()


def test_an_installed_checkout_is_not_installed_again(checkout: Path) -> None:
    assert "-m" not in make(checkout, "install").splitlines()


def test_new_requirements_are_installed(checkout: Path) -> None:
    stamp = checkout / ".venv" / ".installed"
    os.utime(stamp, (0, 0))
    lines = make(checkout, "install").splitlines()
    assert lines.count("pip") == 2
    assert "torch" in lines[: lines.index("--editable")]
    assert stamp.stat().st_mtime > 0


def test_help_lists_every_word(checkout: Path) -> None:
    page = make(checkout)
    for word in ("install", "test", "lint", "format", "demo", "clean"):
        assert f"make {word}" in page
