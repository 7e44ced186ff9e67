"""The public surface: what `import kineograph` offers, and what it does not cost."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import kineograph

ROOT = Path(__file__).parent.parent


def test_importing_the_package_is_cheap() -> None:
    program = "import sys, kineograph; assert not {'torch', 'numpy', 'av'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_installed_version_is_the_source_s() -> None:
    assert metadata.version("kineograph") == kineograph.__version__


def test_the_changelog_and_the_citation_know_the_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert "## Unreleased" in changes
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited and cited.group(1) == kineograph.__version__


def test_the_package_carries_its_types_and_its_command() -> None:
    assert (Path(kineograph.__file__).parent / "py.typed").exists()
    [script] = metadata.entry_points(group="console_scripts", name="kineograph")
    assert script.value == "kineograph.cli.app:main"


def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert blocks and "sampling.steps" in capsys.readouterr().out


def test_the_public_names_are_these_and_all_of_them_load() -> None:
    assert kineograph.__all__ == sorted(kineograph.__all__)
    assert len(kineograph.__all__) == 26
    for name in kineograph.__all__:
        assert getattr(kineograph, name).__module__.startswith("kineograph."), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Generatr"):
        kineograph.__getattr__("Generatr")
