"""The house stays light: its files and classes can be read in one sitting, its root has few."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from runner.project.manifest import LAYERS
from tests.support import PROJECT
from tests.support.rooms import COMMANDS, ROOMS

RUNNER = PROJECT / "runner"
MODULES = sorted(path.relative_to(RUNNER) for path in RUNNER.rglob("*.py"))
LONGEST_FILE, LONGEST_CLASS, LONGEST_SCRIPT = 400, 250, 250
# What does not live in a package: the entry, the public names, the front door, errors, the status.
ROOT = {"__init__", "__main__", "about", "api", "errors", "run", "status"}
LARGEST_CORE = 8_000


def test_the_root_of_the_package_has_only_the_front_door() -> None:
    assert {path.stem for path in RUNNER.glob("*.py")} == ROOT


def test_the_core_without_its_rooms_is_small() -> None:
    """What is left after tests/integration/setup/test_rooms.py has deleted the rooms."""
    core = [module for module in MODULES if not str(module).startswith((*ROOMS, *COMMANDS))]
    lines = sum((RUNNER / module).read_text(encoding="utf-8").count("\n") for module in core)
    assert lines <= LARGEST_CORE


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_module_and_no_class_is_too_long_to_be_read(module: Path) -> None:
    text = (RUNNER / module).read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_CLASS, node.name


def test_no_script_is_too_long_to_be_read() -> None:
    scripts = [path for layer in LAYERS for path in (PROJECT / "sql" / layer).glob("*.sql")]
    lines = {path.name: path.read_text(encoding="utf-8").count("\n") for path in scripts}
    assert len(lines) > 50
    assert {name for name, count in lines.items() if count > LONGEST_SCRIPT} == set()


@pytest.mark.parametrize(
    "module", [m for m in MODULES if m.parts[0] not in ("cli", "__main__.py")], ids=str
)
def test_nothing_but_the_command_line_prints_or_exits(module: Path) -> None:
    for node in ast.walk(ast.parse((RUNNER / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("print", "exit", "quit", "sys.exit", "os._exit")
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) not in ("sys.stdout", "sys.stderr")


@pytest.mark.parametrize(
    "package", [path for path in sorted(RUNNER.rglob("__init__.py")) if path.parent != RUNNER]
)
def test_every_package_says_what_comes_in_and_what_goes_out(package: Path) -> None:
    said = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
    assert said, f"{package} says nothing"
    if package.parent.parent == RUNNER:
        assert "does not know" in " ".join(said.split())
