"""Finds the functions that rendered SQL creates and calls, by patterns."""

import re
from collections.abc import Iterable, Mapping

from runner.project.graph import reachable


def function_bodies(text: str) -> dict[str, str]:
    """Return the definitions of the functions that a text creates, by name; overloads share one."""
    starts = re.finditer(
        r"\$(\w*)\$.*?\$\1\$|^(?:create|comment|drop|alter|do|grant|revoke)\b",
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
    places = [each.start() for each in starts if not each[0].startswith("$")]
    bodies: dict[str, str] = {}
    for start, end in zip(places, [*places[1:], len(text)], strict=True):
        if found := re.match(r"create (?:or replace )?function (\w+\.\w+)", text[start:end]):
            bodies[found[1]] = bodies.get(found[1], "") + text[start + found.end() : end]
    return bodies


def functions_called(text: str) -> set[str]:
    """Return the names that stand before a parenthesis: those of functions, and perhaps others."""
    return set(re.findall(r"\b(\w+\.\w+)\s*\(", text))


def functions_reached(names: Iterable[str], bodies: Mapping[str, str]) -> set[str]:
    """Return those of these functions that have a body, and all that they call, directly or not."""
    calls = {name: functions_called(body) & bodies.keys() for name, body in bodies.items()}
    known = bodies.keys() & set(names)
    return known | reachable(known, calls)


def relations_named(text: str) -> set[str]:
    """Return the qualified names in a text of any language: those of tables, and perhaps others."""
    return set(re.findall(r"\b(\w+\.\w+)\b(?!\s*\()", text))


def without_comment_statements(text: str) -> str:
    """Drop `comment on`, which reads nothing and has strings that the parser does not know."""
    return re.sub(
        r"^comment on .*?;$",
        lambda found: "\n" * found[0].count("\n"),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
