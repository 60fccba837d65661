"""Fingerprints: hashes of everything that decides the content of a script's tables."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from runner.project.manifest import Manifest, Script
from runner.project.scripts import functions_created, without_comments, words, words_filled_in

ITS_SQL, ITS_TABLE, ITS_CHECK = "its SQL", "its table in schema/", "its check"
ITS_NEEDS = "its needs"
FUNCTION = "a function in "


def fingerprint(manifest: Manifest, script: Script) -> str:
    """Return a JSON object of hashes, each under the name of what it covers: SQL, DDL, checks,
    needs, and the variables and functions that these use.

    Lines that are only comments are left out: changing them causes no rebuild.
    """
    known = manifest.fingerprints
    if script.key not in known:
        known[script.key] = _fingerprint(manifest, script)
    return known[script.key]


def _fingerprint(manifest: Manifest, script: Script) -> str:
    parts = {ITS_SQL: (script.path,), ITS_TABLE: script.definitions, ITS_CHECK: script.checks}
    texts = {
        what: [[str(path), without_comments(manifest.read(path))] for path in paths]
        for what, paths in parts.items()
    }
    hashes = {what: _hash(content) for what, content in texts.items()}
    hashes[ITS_NEEDS] = _hash(sorted(script.needs))
    text = "\n".join(text for pieces in texts.values() for _, text in pieces)
    for name in sorted(words_filled_in(text) & manifest.variables.keys()):
        hashes[f"variable {name}"] = _hash(manifest.variables[name])
    if "source" in words_filled_in(text):
        hashes["the source in the manifest"] = _hash(repr(manifest.sources))
    used = words(text)
    for path, text in manifest.functions.items():
        functions, shared = _functions(text)
        if used & functions:
            hashes[functions_of(path)] = shared
    return json.dumps(hashes)


@cache
def _functions(text: str) -> tuple[set[str], str]:
    """Return the functions that a file of a layer creates, and its hash."""
    shared = without_comments(text)
    return functions_created(shared), _hash(shared)


def functions_of(path: Path) -> str:
    """Return the name, in fingerprints, of the functions in a file of a layer."""
    return f"{FUNCTION}{path}"


def says_what_is_read(part: str) -> bool:
    """Whether a part of a fingerprint can change which tables are read; the DDL of views can."""
    return part in (ITS_SQL, ITS_TABLE, ITS_CHECK, ITS_NEEDS) or part.startswith(FUNCTION)


def changed_since(old: str, new: str) -> tuple[str, ...]:
    """Return the names of what differs between two fingerprints."""
    if not old.startswith("{"):
        return ("the form of fingerprints",)
    before, after = json.loads(old), json.loads(new)
    return tuple(what for what in {**before, **after} if before.get(what) != after.get(what))


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
