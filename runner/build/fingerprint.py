"""Fingerprints: hashes of all that decides the content of a script's tables."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from runner.project import files as shared
from runner.project.files import layer_files
from runner.project.manifest import LAYERS, Manifest, Script

FUNCTION = r"create or replace function \{\{ \w+ \}\}\.(\w+)"


def fingerprint(manifest: Manifest, script: Script) -> str:
    """Hashes of what decides the content of a script's tables: SQL, DDL, checks, the variables and
    functions in them, each under its name.

    A line that is only a comment decides nothing, and may change without a rebuild.
    """
    parts = {
        "its SQL": (script.path,),
        "its table in schema/": script.definitions,
        "its check": script.checks,
    }
    texts = {
        what: [[str(path), _without_comments(manifest.read(path))] for path in paths]
        for what, paths in parts.items()
    }
    words = {
        word for pieces in texts.values() for _, text in pieces for word in re.findall(r"\w+", text)
    }
    # A column may have the name of a variable; only what is filled in is one.
    named = {
        word
        for pieces in texts.values()
        for _, text in pieces
        for place in re.findall(r"\{[{%].*?[%}]\}", text, re.DOTALL)
        for word in re.findall(r"\w+", place)
    }
    used = {name: manifest.variables[name] for name in sorted(named & manifest.variables.keys())}
    hashes = {what: _hash(content) for what, content in texts.items()}
    for name, value in used.items():
        hashes[f"variable {name}"] = _hash(value)
    for path in (path for layer in LAYERS for path in layer_files(manifest.project, layer)):
        text = _without_comments(manifest.read(shared.find(manifest.project, path)))
        if words & set(re.findall(FUNCTION, text)):
            hashes[functions_of(path)] = _hash(text)
    return json.dumps(hashes)


def functions_of(path: Path) -> str:
    """What a fingerprint calls the functions of a file that the scripts of all layers may use."""
    return f"a function in {path}"


def changed_since(old: str, new: str) -> tuple[str, ...]:
    """What differs between two fingerprints."""
    if not old.startswith("{"):
        return ("the form of fingerprints",)
    before, after = json.loads(old), json.loads(new)
    return tuple(what for what in {**before, **after} if before.get(what) != after.get(what))


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("--") and not line.startswith("-- Level:")


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not _is_comment(line))
