"""What is public: __all__ is a literal, importable, documented, and the stubs agree."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(
    path.relative_to(ROOT).parent.as_posix().replace("/", ".")
    for path in (ROOT / "netcode").rglob("__init__.py")
)
STUBS = sorted((ROOT / "netcode").rglob("*.pyi"))


def literal_all(source: str) -> list[str] | None:
    """The names of a literal __all__, or None where there is none or it is computed."""
    for node in ast.parse(source).body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in map(ast.unparse, targets):
            value = node.value
            if isinstance(value, ast.List | ast.Tuple) and all(
                isinstance(item, ast.Constant) and isinstance(item.value, str)
                for item in value.elts
            ):
                return list(ast.literal_eval(value))
    return None


def bound_names(source: str) -> set[str]:
    """Every name a stub binds at its top level, conditional branches included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.AnnAssign):
            names.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign):
            names |= {ast.unparse(target) for target in node.targets}
    return names


def reference_text() -> str:
    pages = sorted((ROOT / "docs" / "reference").rglob("*.md"))
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_literal_and_importable(package: str) -> None:
    source = (ROOT / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    module = importlib.import_module(package)
    assert ast.get_docstring(ast.parse(source), clean=True) != ".", "a docstring that says nothing"
    if not any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(source).body):
        return  # a folder without a public face of its own
    names = literal_all(source)
    assert names is not None, "no literal __all__"
    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(module, name)] == []


def test_the_public_api_is_there() -> None:
    netcode = importlib.import_module("netcode")
    expected = {"Server", "connect", "Schema", "Quantized", "Range", "Angle", "Joined", "Left"}
    assert expected <= set(netcode.__all__)


def test_public_names_are_imported_from_where_type_checkers_see_them() -> None:
    netcode = importlib.import_module("netcode")
    tree = ast.parse((ROOT / "netcode" / "__init__.py").read_text(encoding="utf-8"))
    (checked,) = (node for node in tree.body if isinstance(node, ast.If) and not node.orelse
                  and ast.unparse(node.test) == "TYPE_CHECKING")  # fmt: skip
    seen = {
        alias.name: node.module
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen.pop("asyncio") == "netcode"
    assert seen == netcode.ORIGINS
    assert {*seen, "asyncio"} == set(netcode.__all__)
    assert set(netcode.__all__) <= set(dir(netcode))
    assert callable(netcode.connect)
    assert importlib.import_module("netcode.asyncio") is netcode.asyncio
    with pytest.raises(AttributeError, match="'netcode' has no attribute 'Sever'"):
        _ = netcode.Sever


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        ("import netcode", "numpy asyncio typing json netcode.errors"),
        ("import netcode; netcode.BitWriter", "asyncio netcode.session"),
        ("import netcode; netcode.errors; netcode.ConfigError", "numpy"),
        ("from netcode import *; assert connect and Server and callable(connect)", ""),
        ("import netcode.asyncio, netcode; assert callable(netcode.connect)", ""),
    ],
)
def test_imports_wait_until_they_are_needed(line: str, absent: str) -> None:
    script = f"import sys\nbefore = set(sys.modules)\n{line}\nprint(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert set(absent.split()) & set(done.stdout.split()) == set()


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert importlib.import_module("netcode").__version__ == project["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {project['version']}" in changelog


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_documented(package: str) -> None:
    names = getattr(importlib.import_module(package), "__all__", [])
    reference = reference_text()
    missing = [name for name in names if not re.search(rf"`{re.escape(name)}\b", reference)]
    assert missing == [], "names missing from docs/reference"


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_have_docstrings(package: str) -> None:
    module = importlib.import_module(package)
    silent = [
        name
        for name in getattr(module, "__all__", [])
        if callable(getattr(module, name)) and not (getattr(module, name).__doc__ or "").strip()
    ]
    assert silent == []


@pytest.mark.parametrize("stub", STUBS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_stub_agrees_with_its_module(stub: Path) -> None:
    """Names only; the gate's stubtest compares the signatures."""
    source = stub.read_text(encoding="utf-8")
    module_name = stub.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    module = importlib.import_module(module_name)
    stubbed = bound_names(source)
    defined = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module_name
    }
    assert defined - stubbed == set(), "in the module, not in the stub"
    for name in literal_all(source) or []:
        assert name in stubbed
        assert hasattr(module, name)
    stub_all, module_all = literal_all(source), getattr(module, "__all__", None)
    if module_all:
        assert stub_all is not None, "the stub does not repeat __all__"
        assert set(stub_all) == set(module_all)


def test_the_readers_can_say_no() -> None:
    assert literal_all("__all__ = ['a'] + b") is None
    assert literal_all("__all__ = [x for x in y]") is None
    assert literal_all("__all__ = ['a', 'b']") == ["a", "b"]
    assert bound_names("class A: ...\nif x:\n    def f() -> int: ...\nB: int\nC = A\n") == {
        "A",
        "f",
        "B",
        "C",
    }
