"""The house rules that a machine can hold: sizes, names, and what never appears."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "kineograph"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {str(file.relative_to(PACKAGE)): ast.parse(file.read_text()) for file in FILES}

DEVICES = "generation/device.py"  # the one file that names an accelerator
KEYWORDS = {"cli/app.py"}  # typer calls a function with keywords

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function, bool]]:
    """Every function: where it is, what it is, whether it has a self or cls."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, Function):
                    static = any(
                        isinstance(d, ast.Name) and d.id == "staticmethod"
                        for d in child.decorator_list
                    )
                    method = isinstance(node, ast.ClassDef) and not static
                    yield f"{name}:{child.lineno} {child.name}", child, method


def parameters(function: Function, method: bool) -> list[ast.arg]:
    """The parameters without self or cls."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return every[1:] if method else every


def calls(tree: ast.AST) -> Iterator[ast.Name]:
    """The plain names that are called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func


def tracked() -> list[Path]:
    """The files that git knows."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("no git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_files_are_short() -> None:
    lengths = {name: len((PACKAGE / name).read_text().splitlines()) for name in TREES}
    assert {name: length for name, length in lengths.items() if length > 400} == {}
    assert statistics.median(lengths.values()) <= 150


def test_functions_are_short() -> None:
    lengths = {where: f.end_lineno - f.lineno + 1 for where, f, _ in functions() if f.end_lineno}
    assert {where: length for where, length in lengths.items() if length > 60} == {}


def test_functions_have_few_parameters() -> None:
    counts = {where: len(parameters(f, method)) for where, f, method in functions()}
    assert {where: count for where, count in counts.items() if count > 6} == {}


def test_every_function_is_typed() -> None:
    untyped = [
        where
        for where, function, method in functions()
        if function.returns is None
        or any(one.annotation is None for one in parameters(function, method))
    ]
    assert untyped == []


def test_class_chains_are_short() -> None:
    bases: dict[str, set[str]] = {}
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {
                    base.id if isinstance(base, ast.Name) else base.attr
                    for base in node.bases
                    if isinstance(base, ast.Name | ast.Attribute)
                }

    def depth(name: str) -> int:
        return 1 + max((depth(base) for base in bases[name] & set(bases) - {name}), default=0)

    assert {name: depth(name) for name in bases if depth(name) > 2} == {}


def test_no_attribute_is_probed() -> None:
    probes = [
        f"{name}:{call.lineno} {call.id}"
        for name, tree in TREES.items()
        for call in calls(tree)
        if call.id in {"getattr", "hasattr", "setattr"}
    ]
    assert probes == []


def test_no_keywords_are_tunnelled() -> None:
    tunnels = [where for where, f, _ in functions() if f.args.kwarg is not None]
    assert [where for where in tunnels if where.split(":")[0] not in KEYWORDS] == []


def test_one_file_names_accelerators() -> None:
    named = []
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            literal = isinstance(node, ast.Constant) and re.fullmatch(
                r"(cuda|mps|xpu|npu)(:\d+)?", str(node.value)
            )
            method = isinstance(node, ast.Attribute) and node.attr == "cuda"
            if (literal or method) and name != DEVICES:
                named.append(f"{name}:{node.lineno}")
    assert named == []


def test_no_file_knows_a_machine() -> None:
    places = ["work", "root", "tmp", "opt", "home", "farm", "mnt"]
    local = re.compile(
        rf"(?<![\w.~-])/({'|'.join(places)})/|\.\./shared|pypi\.|pythonhosted|download\.pytorch"
    )
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in tracked()
        if file.suffix in {".py", ".md", ".toml", ".yaml", ".yml", ".cff", ".txt", ".json", ""}
        and file != Path(__file__)
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1)
        if local.search(line)
    ]
    assert found == []


def test_nothing_is_left_unfinished() -> None:
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in FILES
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_the_checkout_is_small() -> None:
    sizes = {file: file.stat().st_size for file in tracked()}
    assert {file.name: size for file, size in sizes.items() if size > 20_000_000} == {}
    assert sum(sizes.values()) < 55 * 2**20


def test_the_package_forces_no_heavy_or_pinned_dependency() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    core = text.split("dependencies = [")[1].split("]")[0]
    assert re.findall(r"==|<|~=", core) == []
    assert re.findall(r"torchvision|torchaudio|lightning|decord|timm", text.split("[tool.")[0]) == [
        "torchvision"  # the comment that says so
    ]
