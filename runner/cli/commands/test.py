from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import click

from runner.cli import output
from runner.cli.command import FILE, Workspace, json_option, project_command, select_option
from runner.errors import RunnerError, room
from runner.testing.cases import choose, collect
from runner.testing.run import CaseResult, run_cases
from runner.testing.tables import Mismatch

# Maximum number of rows shown as text for each kind of difference.
SHOWN_ROWS = 10


@project_command("test", json_option)
@select_option("Run only the cases of these scripts.")
@click.argument("names", nargs=-1, metavar="[CASE]...")
@click.option("--junit", type=FILE, help="Also write the results as JUnit XML, for CI.")
def command(
    here: Workspace, patterns: tuple[str, ...], names: tuple[str, ...], junit: Path | None
) -> None:
    """Run the test cases in tests/sql.

    A case gives input rows and the rows expected of a full build, of the same build again, and of
    an incremental one. Cases run in schemas of their own and are rolled back; your tables stay as
    they are.

    \b
    Example: python -m runner test -s growth_accounting
    """
    manifest = here.manifest()
    cases = choose(manifest, collect(manifest), patterns, names)
    results = run_cases(here.database(), manifest, cases, _show)
    if junit:
        put = room("runner.pages.html").put
        put(junit, _as_junit(results))
    output.data([_as_data(result) for result in results])
    failed = sum(not result.has_passed for result in results)
    if failed:
        raise RunnerError(
            f"{failed} of {len(results)} cases failed", "rows with - are missing, with + unexpected"
        )
    seconds = sum(result.seconds for result in results)
    output.say(f"test: {output.number(len(results), 'case')} passed, {seconds:.1f}s")


def _show(done: CaseResult) -> None:
    """Show the result of a case on one line; if it failed, with the rows that differ."""
    if done.has_passed:
        output.say(f"ok      {done.case.name:<76} {done.seconds:6.2f}s")
        return
    if output.style.json:
        return
    output.answer(f"failed  {done.case.name:<76} {done.seconds:6.2f}s")
    output.answer(f"    after {done.after}{': ' if done.error else ''}{done.error}")
    for mismatch in done.mismatches:
        output.answer(f"    {mismatch.table}")
        for line in _lines(mismatch):
            output.answer(f"    {line}")


def _as_data(done: CaseResult) -> dict[str, Any]:
    return {
        "case": done.case.name,
        "status": "passed" if done.has_passed else "failed",
        "after": done.after or None,
        "error": done.error or None,
        "differences": [asdict(mismatch) for mismatch in done.mismatches],
        "seconds": round(done.seconds, 3),
    }


def _as_junit(results: list[CaseResult]) -> str:
    seconds = sum(result.seconds for result in results)
    failed = sum(not result.has_passed for result in results)
    root = Element(
        "testsuite",
        name="milepost",
        tests=str(len(results)),
        failures=str(failed),
        time=f"{seconds:.3f}",
    )
    for done in results:
        folder, _, name = done.case.name.rpartition("/")
        case = SubElement(root, "testcase", classname=folder, name=name, time=f"{done.seconds:.3f}")
        if not done.has_passed:
            why = f"after {done.after}{': ' if done.error else ''}{done.error}"
            failure = SubElement(case, "failure", message=output.visible(why))
            lines = [line for each in done.mismatches for line in (each.table, *_lines(each))]
            failure.text = output.visible("\n".join(lines))
    return tostring(root, encoding="unicode", xml_declaration=True)


def _lines(mismatch: Mismatch) -> list[str]:
    lines = [["", *mismatch.columns]]
    left = []
    for sign, rows in (("-", mismatch.missing), ("+", mismatch.unexpected)):
        lines += [
            [sign, *('""' if value == "" else output.cell(value) for value in row.values())]
            for row in rows[:SHOWN_ROWS]
        ]
        if len(rows) > SHOWN_ROWS:
            left.append(f"{sign} {len(rows) - SHOWN_ROWS:,} more")
    return [*output.aligned(lines), *left]
