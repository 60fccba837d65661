"""docs/commands.md lists the commands as they are."""

from __future__ import annotations

from tests.support.reference import FILE, reference


def test_the_page_of_the_commands_is_made_from_their_help() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "bring it up to date: make reference"
