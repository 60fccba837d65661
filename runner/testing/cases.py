"""Reads test cases, files of given and expected rows, and checks them against the manifest."""

import csv
import fnmatch
import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from runner.errors import StartError, UsageError, closest, did_you_mean
from runner.project.files import read_toml
from runner.project.graph import order, reachable, select
from runner.project.manifest import Manifest, Script, Value, check_variable

ROOT = Path("tests", "sql")
RAW = "raw"
PARTS = ("given", "expected", "variables.toml")


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file of rows, such as `given/raw.event_stream.csv`."""

    table: str
    path: Path
    columns: tuple[str, ...]
    header: bytes
    records: tuple[bytes, ...]

    @property
    def is_raw(self) -> bool:
        return self.table.startswith(f"{RAW}.")

    def slice(self, first: int, last: int | None) -> Self:
        """Return a part of the rows, with the same header."""
        return replace(self, records=self.records[first:last])


@dataclass(frozen=True, slots=True)
class Case:
    """A case of a script: given and expected rows, and the variables to build with."""

    script: Script
    path: Path
    given: tuple[RowFile, ...]
    expected: tuple[RowFile, ...]
    variables: dict[str, Value]
    # The scripts that have to run, in order: from what is given to what is expected.
    scripts: tuple[Script, ...]

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def is_raw(self) -> bool:
        """Whether only raw tables are given: then the rows can also arrive in several runs."""
        return all(rows.is_raw for rows in self.given)


def collect(manifest: Manifest) -> list[Case]:
    """Return all cases of a project, by name; StartError names the first file with a mistake."""
    cases = []
    for layer in _folders(manifest.project / ROOT):
        for folder in _folders(layer):
            key = f"{layer.name}.{folder.name}"
            script = manifest.scripts.get(key)
            if script is None:
                what = f"{ROOT / layer.name / folder.name}: there is no script {key}"
                raise _unknown(what, key, manifest.scripts)
            cases += [_read(manifest, script, case) for case in _folders(folder)]
    return cases


def choose(
    manifest: Manifest, cases: list[Case], patterns: Collection[str], names: Collection[str]
) -> list[Case]:
    """Return the cases of the scripts that match a pattern; with `names`, only those with one of
    these folders, ends of paths or globs. UsageError if there are none.
    """
    if not cases:
        hint = f"a case is a folder {ROOT}/LAYER/SCRIPT/CASE with given/ and expected/"
        raise UsageError(f"there are no cases in {ROOT}", hint)
    if patterns:
        keys = select(manifest, patterns)
        cases = [case for case in cases if case.script.key in keys]
        if not cases:
            hint = "omit -s to run all cases"
            raise UsageError(f"there are no cases for {', '.join(patterns)}", hint)
    chosen = []
    for name in names:
        wanted = name.rstrip("/").removeprefix("./").removeprefix(f"{ROOT.as_posix()}/")
        ways = (wanted, f"*/{wanted}", f"{wanted}/*")
        found = [case for case in cases if any(fnmatch.fnmatchcase(case.name, way) for way in ways)]
        if not found:
            tails = {case.path.name: case.name for case in cases}
            near = closest(wanted.rpartition("/")[2], tails)
            better = f"did you mean {tails[near]}?" if near else None
            raise UsageError(f"no case is called {name}", better)
        chosen += [case for case in found if case not in chosen]
    return chosen or cases


def _folders(path: Path) -> list[Path]:
    """Return the folders in a folder; StartError if there is a file."""
    if not path.is_dir():
        return []
    found = _entries(path)
    for entry in found:
        if not entry.is_dir():
            raise StartError(f"{entry} is a file", f"a case is a folder {ROOT}/LAYER/SCRIPT/CASE")
    return found


def _entries(path: Path) -> list[Path]:
    return sorted(
        entry
        for entry in path.iterdir()
        if not entry.name.startswith(".") and entry.suffix != ".md"
    )


def _read(manifest: Manifest, script: Script, folder: Path) -> Case:
    path = folder.relative_to(manifest.project)
    for entry in _entries(folder):
        if entry.name not in PARTS:
            raise _unknown(f"{path / entry.name} is not a part of a case", entry.name, PARTS)
    given = tuple(_rows(manifest, path, "given"))
    expected = tuple(_rows(manifest, path, "expected"))
    if not expected:
        hint = f"write {path}/expected/{script.key}.csv with the rows"
        raise StartError(f"{path} has no expected rows", hint)
    for table in sorted({rows.table for rows in given} & {rows.table for rows in expected}):
        raise StartError(f"{path}: {table} is both given and expected", "remove one of them")
    variables = _variables(manifest, path / "variables.toml")
    scripts = _needed(manifest, script, path, given, expected)
    return Case(script, path, given, expected, variables, scripts)


def _variables(manifest: Manifest, path: Path) -> dict[str, Value]:
    entries = read_toml(manifest.project / path, path, 'write NAME = "VALUE"') or {}
    for name, value in entries.items():
        if name not in manifest.variables:
            raise _unknown(f"{path}: {name} is not a variable", name, manifest.variables)
        check_variable(f"{path}: {name}", value)
    return entries


def _rows(manifest: Manifest, case: Path, part: str) -> Iterable[RowFile]:
    folder = manifest.project / case / part
    for file in _entries(folder) if folder.is_dir() else ():
        path = file.relative_to(manifest.project)
        if file.suffix != ".csv":
            raise StartError(f"{path} is not a CSV file", f"{part}/LAYER.TABLE.csv")
        _check_table(manifest, path, file.stem, part)
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise StartError(f"{path}: {error}", "write it in UTF-8") from error
        header, *records = _records(path, text) or [""]
        columns = tuple(next(csv.reader([header]), ()))
        if not columns:
            raise StartError(f"{path} is empty", "its first line names the columns")
        for column in columns:
            if columns.count(column) > 1:
                raise StartError(f"{path}:1: column {column} appears twice", "remove one")
        encoded = tuple(record.encode() for record in records)
        yield RowFile(file.stem, path, columns, header.encode(), encoded)


def _records(path: Path, text: str) -> list[str]:
    """Return the records of a CSV file with their line ends. A record may have several lines."""
    lines = list(io.StringIO(text, newline=""))
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += "\n"
    reader = csv.reader(lines, strict=True)
    records, before = [], 0
    try:
        for _ in reader:
            records.append("".join(lines[before : reader.line_num]))
            before = reader.line_num
    except csv.Error as error:
        hint = "inside quotes, double each quote"
        raise StartError(f"{path}:{before + 1}: {error}", hint) from error
    return records


def _check_table(manifest: Manifest, path: Path, table: str, part: str) -> None:
    tables = manifest.fillers()
    raw = {f"{RAW}.{name}" for name in manifest.raw_needs()}
    known = {*tables, *raw} if part == "given" else set(tables)
    if table in raw and part == "expected":
        raise StartError(f"{path}: no script fills {table}", "expect a table that a script fills")
    if table not in known:
        raise _unknown(f"{path}: there is no table {table}", table, known)
    if part == "given" and table in tables and tables[table].is_view:
        raise StartError(f"{path}: {table} is a view", "give the tables that it reads")


def _needed(
    manifest: Manifest,
    script: Script,
    path: Path,
    given: Iterable[RowFile],
    expected: Iterable[RowFile],
) -> tuple[Script, ...]:
    fillers = manifest.fillers()
    are_given = {rows.table for rows in given}
    found_by = fillers.keys() - are_given
    needs = {
        key: {fillers[need].key for need in each.needs if need in found_by}
        for key, each in manifest.scripts.items()
    }
    wanted = {script.key, *(fillers[rows.table].key for rows in expected)}
    keys = wanted | reachable(wanted, needs)
    needed = tuple(each for each in order(manifest) if each.key in keys)
    for found in needed:
        for table in (f"{found.layer}.{name}" for name in found.tables):
            if table in are_given:
                hint = f"give all of its tables: {', '.join(found.tables)}"
                raise StartError(
                    f"{path}: {table} is given, but {found.path}, which has to run, fills it",
                    "give what that script reads" if found is script else hint,
                )
    return needed


def _unknown(what: str, name: str, known: Iterable[str]) -> StartError:
    names = sorted(known)
    return StartError(what, did_you_mean(name, names, f"one of {', '.join(names)}"))
