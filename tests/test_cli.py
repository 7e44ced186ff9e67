"""The command line: verbs are dataclasses, help is quick, mistakes are answered."""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import pytest

from kineograph import recipes
from kineograph.cli import app
from kineograph.config import from_data
from kineograph.errors import ConfigError
from kineograph.recipes.recipe import Recipe

ROOT = Path(__file__).parent.parent
HELPERS = {"__init__", "app", "progress"}


@dataclass(frozen=True, kw_only=True)
class Example:
    """Show what was given."""

    prompt: Annotated[str, "what to show"]
    out: Annotated[Path, "where to write"] = Path("out.mp4")
    frames: Annotated[int | None, "how many"] = None
    set_: Annotated[tuple[str, ...], "overrides"] = ()
    format: Annotated[Literal["text", "json"], "how"] = "text"
    safe: Annotated[bool, "a switch that is on"] = True
    loud: Annotated[bool, "a switch that is off"] = False

    def run(self) -> int | None:
        """Behave as the prompt says."""
        if self.prompt == "fail":
            raise ConfigError("steps: 'many' given")
        if self.prompt == "interrupt":
            raise KeyboardInterrupt
        if self.prompt == "partly":
            return 3
        print(self)
        return None


@pytest.fixture(autouse=True)
def example(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verb of this file among the real ones."""
    module = ModuleType("kineograph.cli.example")
    vars(module)["Example"] = Example
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(app.VERBS, "example", "show what was given")


def call(*arguments: str) -> int:
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as stopped:
        app.main(arguments)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_a_command_line_becomes_the_dataclass(capsys: pytest.CaptureFixture[str]) -> None:
    line = "example \"a 'red' ball; $x\" --out a/b.mp4 --frames 17 --set- a=1 --set- b=2"
    assert call(*shlex.split(line), "--format", "json", "--no-safe", "--loud") == 0
    given = Example(
        prompt="a 'red' ball; $x",
        out=Path("a/b.mp4"),
        frames=17,
        set_=("a=1", "b=2"),
        format="json",
        safe=False,
        loud=True,
    )
    assert capsys.readouterr().out.strip() == str(given)


def test_what_is_not_given_has_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("example", "--", "--odd prompt") == 0
    assert capsys.readouterr().out.strip() == str(Example(prompt="--odd prompt"))


@pytest.mark.parametrize(
    ("prompt", "code", "message"),
    [
        ("fail", 1, "kineograph: steps: 'many' given\n"),
        ("interrupt", 130, "kineograph: interrupted\n"),
        ("partly", 3, ""),
    ],
)
def test_an_end_has_its_exit_code(
    prompt: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("example", prompt) == code
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (["generat", "x"], "did you mean 'generate'?"),
        (["example", "x", "--fromat", "json"], "--format"),
        (["example", "x", "--format", "xml"], "json"),
        (["example", "x", "--frames", "many"], "--frames"),
        (["example"], "PROMPT"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_right(
    line: list[str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*line) == 2
    assert answer in capsys.readouterr().err


def test_help_shows_the_annotations(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("example", "--help") == 0
    page = capsys.readouterr().out
    for words in ("Show what was given.", "what to show", "where to write", "--no-safe"):
        assert words in page


@pytest.mark.parametrize("line", [[], ["--help"]])
def test_the_command_alone_lists_every_verb(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*line) == 0
    page = capsys.readouterr().out
    assert [verb for verb in app.VERBS if f"  {verb} " not in page] == []


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert re.fullmatch(r"kineograph \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_every_file_of_a_verb_is_listed() -> None:
    files = {file.stem for file in Path(inspect.getfile(app)).parent.glob("*.py")} - HELPERS
    assert files == {verb.replace("-", "_") for verb in app.VERBS} - {"example"}


@pytest.mark.parametrize("verb", [*app.VERBS])
def test_a_verb_is_a_frozen_dataclass_with_help_for_every_field(verb: str) -> None:
    command = app.find(verb)
    assert command.__doc__ and not command.__doc__.startswith(command.__name__ + "(")
    assert vars(command)["__dataclass_params__"].frozen
    for name in inspect.get_annotations(command):
        hint = inspect.get_annotations(command, eval_str=True)[name]
        assert hint.__metadata__[0], f"{verb}: {name} has no help"


def test_no_help_loads_torch() -> None:
    program = (
        "import sys\n"
        "from kineograph.cli import app\n"
        "for line in [[], *([verb, '--help'] for verb in app.VERBS)]:\n"
        "    try: app.main(line)\n"
        "    except SystemExit as stopped: assert stopped.code == 0, line\n"
        "    heavy = {'torch', 'numpy', 'rich', 'av'} & set(sys.modules)\n"
        "    assert not heavy, (line, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_takes_less_than_a_third_of_a_second() -> None:
    # Processor time: unlike the clock, it does not see what else the machine is doing.
    program = "from kineograph.cli.app import main; main(['generate', '--help'])"
    used = []
    for _ in range(4):  # the first one may compile
        before = os.times()
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        after = os.times()
        used.append(sum(after[2:4]) - sum(before[2:4]))  # user and system time of children
    assert min(used) < 0.3


def documented() -> list[str]:
    """Every command line in the guides, without its prompt sign and continuation."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text() for page in pages if page.exists()).replace("\\\n", " ")
    lines = (line.strip().removeprefix("$ ") for line in text.splitlines())
    return [
        line for line in lines if re.match(r"(\.venv/bin/)?kineograph [a-z-]+|make [a-z-]+", line)
    ]


@pytest.mark.parametrize("line", documented())
def test_every_documented_command_is_valid(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command, *arguments = shlex.split(line, comments=True)
    if command == "make":
        assert f"\n{arguments[0]}:" in (ROOT / "Makefile").read_text()
        return
    read: list[app.Command] = []
    monkeypatch.setattr(app, "_run", read.append)
    assert call(*arguments) == 0
    assert read or "--help" in arguments or "--version" in arguments


@pytest.mark.parametrize("name", recipes.names())
def test_show_prints_the_whole_recipe(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("show", name, "--format", "json") == 0
    assert from_data(Recipe, json.loads(capsys.readouterr().out)) == recipes.get(name)


def test_show_applies_overrides(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("show", "toybox", "--set", "sampling.steps=41") == 0
    assert "steps: 41" in capsys.readouterr().out


def test_a_wrong_override_names_the_nearest_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("show", "toybox", "--set", "sampling.step=40") == 1
    message = "kineograph: sampling.step: Sampling has no field 'step'; did you mean 'steps'?\n"
    assert capsys.readouterr().err == message


def test_the_schema_describes_the_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("show", "toybox", "--format", "json-schema") == 0
    assert "sampling" in json.loads(capsys.readouterr().out)["$defs"]["Recipe"]["properties"]


def test_models_lists_every_recipe_with_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("models", "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(recipes.names())
    assert all(row["parameters"] > 0 and row["summary"] for row in rows)
