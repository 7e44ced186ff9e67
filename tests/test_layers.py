"""Imports point down: the table says what each package may import of ours."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "kineograph"

MODELS = {"autoencoders", "denoisers", "text"}
PARTS = MODELS | {"nn", "media", "toybox", "diffusion", "conditioning", "data", "types"}
PARTS |= {"optimisers"}
WEIGHTS = {"checkpoints", "checkpoints.public"}
BASE = PARTS | WEIGHTS | {"config", "errors", "curation", "parallel", "recipes"}
WORK = BASE | {"planning"}

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "types": set(),
    "config": {"errors"},
    "nn": {"types"},
    "media": {"errors"},
    "toybox": {"media", "errors"},
    "autoencoders": {"nn", "types", "errors"},
    "denoisers": {"nn", "types", "errors"},
    "text": {"nn", "types", "errors"},
    "diffusion": {"types", "errors"},
    "conditioning": {"types", "media", "errors"},
    "data": {"media", "types", "config", "errors"},
    "optimisers": {"nn", "types", "errors"},
    "curation": {"data", "media", "nn", "errors"},
    "checkpoints": {"types", "errors"},
    "checkpoints.public": {"checkpoints", "nn", "types", "errors"} | MODELS,
    "parallel": {"nn", "types", "errors"},
    "recipes": PARTS | {"config", "errors"},
    "planning": BASE,
    "training": WORK,
    "generation": WORK,
    "evaluation": WORK,
    "proof": WORK | {"training", "generation"},
    "serve": {"generation", "recipes", "checkpoints", "media", "config", "errors", "types"},
    "cli": WORK | {"training", "generation", "evaluation", "proof", "serve"},
}


def owner(module: str) -> str:
    """`kineograph.nn.mlp` -> `nn`; the longest entry of the table that fits."""
    inside = module.removeprefix("kineograph").removeprefix(".")
    pieces = inside.split(".")
    two = ".".join(pieces[:2])
    return two if two in ALLOWED else pieces[0]


def imported(tree: ast.AST) -> set[str]:
    """Every module of ours that is named anywhere in a file, functions included."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "kineograph"}


def offences(module: str, source: str) -> list[str]:
    """The imports of a file that the table does not allow."""
    own = owner(module)
    allowed = ALLOWED[own] | {own, "__version__"}
    return [
        f"{module}: {own} may not import {name}"
        for name in sorted(imported(ast.parse(source)))
        if owner(name) not in allowed
    ]


def modules() -> dict[str, Path]:
    """Every module of the package, but the root, which shows everything."""
    files = sorted(PACKAGE.rglob("*.py"))
    names = {
        ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts): file for file in files
    }
    return {name: file for name, file in names.items() if name != "kineograph.__init__"}


@pytest.mark.parametrize("module", modules())
def test_imports_point_down(module: str) -> None:
    assert offences(module, modules()[module].read_text()) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("kineograph.nn.mlp", "from kineograph.denoisers.ltx import LTX"),
        ("kineograph.denoisers.ltx", "from kineograph.autoencoders import wavelet_flow"),
        ("kineograph.training.run", "from kineograph import generation"),
        ("kineograph.checkpoints.keymap", "import kineograph.checkpoints.public.ltx_video"),
        ("kineograph.diffusion.paths", "def f():\n    import kineograph.config"),
    ],
)
def test_an_upward_or_sideways_import_is_found(module: str, line: str) -> None:
    assert len(offences(module, line)) == 1


def test_the_table_has_no_cycle() -> None:
    done: set[str] = set()
    left = {name: needs - {name} for name, needs in ALLOWED.items()}
    while left:
        free = {name for name, needs in left.items() if needs <= done}
        assert free, f"these import each other: {sorted(left)}"
        done |= free
        left = {name: needs for name, needs in left.items() if name not in free}
