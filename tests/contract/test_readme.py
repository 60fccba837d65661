"""The README says what is true."""

from __future__ import annotations

from runner.cli.reference import with_reference
from tests.support import PROJECT


def test_the_commands_in_the_readme_are_those_that_exist() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert readme == with_reference(readme), "bring it up to date: make reference"
