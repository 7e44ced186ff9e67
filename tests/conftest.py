"""What every test shares: one thread per process, and reproducible examples."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import hypothesis
import pytest

ROOT = Path(__file__).parent.parent

hypothesis.settings.register_profile("kineograph", deadline=None, derandomize=True)
hypothesis.settings.load_profile("kineograph")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


def _lines(folder: Path) -> int:
    return sum(len(file.read_text().splitlines()) for file in folder.rglob("*.py"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tests, package = _lines(ROOT / "tests"), _lines(ROOT / "src")
    terminalreporter.write_line(
        f"{tests} lines of tests, {package} of the package: {tests / package:.2f} (house: 0.8)"
    )
