"""Undoes what a run did to a replica, from the earlier versions of rows that it kept. Queries:
undo.sql, and sql/ingest/undo.sql, which a project may replace.
"""

from collections.abc import Sequence

from psycopg import sql

from runner.database.names import column_of, join, relation
from runner.database.tables import Equality
from runner.errors import RunnerError, UsageError
from runner.ingest.attempt import Attempt
from runner.ingest.columns import RUN_ID
from runner.ingest.images import KeptColumn, kept_columns
from runner.ingest.months.months import Months
from runner.ingest.run import RunTransaction
from runner.ingest.windows import Window
from runner.ingest.writer import Counts
from runner.project.files import read_text, statement
from runner.project.template import render


def undo(attempt: Attempt, run_id: int) -> None:
    """Undo a run. UsageError if that is impossible."""
    values = {"run_id": run_id, "pipeline_id": attempt.definition.pipeline_id}
    found = attempt.work.named("repairs/undo.undoable", **values)
    if not found:
        if attempt.call.failures and attempt.work.named("repairs/undo.undone", **values):
            return  # undone by the try before, which then lost its connection
        raise UsageError(
            f"run {run_id} cannot be undone: it failed, was already undone, or loaded no rows",
            "python -m runner runs lists them",
        )
    pruned_at, lost = found[0]["pruned_at"], found[0]["lost"]
    if pruned_at or lost:
        gone = f"its rows were pruned on {pruned_at}" if pruned_at else f"{lost:,} rows are gone"
        raise UsageError(
            f"run {run_id} cannot be undone: the earlier versions of {gone}",
            f"python -m runner reconcile {attempt.definition.pipeline_name} makes the replica match"
            " its source",
        )

    cursor = attempt.definition.cursor_column
    [archived] = attempt.work.named("repairs/undo.archived", **values, cursor=cursor)
    if archived["low"]:
        raise UsageError(
            f"run {run_id} cannot be undone: rows of {archived['low'][:7]} that it loaded or"
            f" replaced are archived, in {archived['file_name']}",
            "docs/retention.md says how to bring archived months back",
        )

    def work(run: RunTransaction) -> tuple[Counts, None]:
        counts, left_alone = _take_back(run, run_id)
        if left_alone:
            run.notes.append(f"rows not restored, as later runs changed them again: {left_alone:,}")
        if not attempt.work.named("database/ledger.undo_run", run_id=run_id):
            raise RunnerError(f"run {run_id} cannot be undone twice")
        return counts, None

    window = Window(found[0]["low"], found[0]["high"])
    attempt.run("undo", window, work, parent_run_id=run_id)


def _take_back(run: RunTransaction, undone_run_id: int) -> tuple[Counts, int]:
    """Undo a run; also return how many of its rows later runs have changed since."""
    run.writer.execute("repairs/undo.give_back_rejects", undone_run_id=undone_run_id)
    writer = run.writer
    keys = writer.definition.key_columns
    if writer.months:
        writer.values["within"] = _within(run, writer.months, undone_run_id)
    if not keys:
        deleted = writer.execute("repairs/undo.delete_run", undone_run_id=undone_run_id)
        return Counts(deleted=deleted), 0
    target = relation(writer.definition.target_relation)
    equality = Equality(run.work, target.as_string())
    images = _restoring_values(target, kept_columns(run.work, target), keys, equality)
    if writer.months:
        cursor = writer.definition.cursor_column
        images["image_has_moved"] = sql.SQL("({} is distinct from {})").format(
            column_of("(images.image)", cursor), column_of("stored", cursor)
        )
    file = statement(writer.project, "undo")
    values = {**writer.values, **images, "undone_run_id": undone_run_id}
    found = run.work.query(render(read_text(file), values, file), file)[0]
    left_alone = found.pop("left_alone")
    return Counts(**found), left_alone


def _within(run: RunTransaction, months: Months, undone_run_id: int) -> sql.Composed:
    """Return the condition that a row is in a month with rows that the undo may touch."""
    keys, pipeline_id = run.source.definition.key_columns, run.source.definition.pipeline_id
    about = {"run_id": undone_run_id, "pipeline_id": pipeline_id, "key": keys[0] if keys else ""}
    [traces] = run.work.named("repairs/undo.traces", **about)
    condition = sql.SQL("stored._run_id = any({})").format(sql.Literal(traces["run_ids"]))
    if keys and traces["keys"]:
        condition += sql.SQL(" or {}").format(months.has_keys(traces["keys"]))
    return months.within(condition)


def _restoring_values(
    target: sql.Identifier, columns: Sequence[KeptColumn], keys: Sequence[str], equality: Equality
) -> dict[str, sql.Composable]:
    """Return the values of the template that restores rows; `columns` are those of the replica."""
    names = [column.name for column in columns if column.name != RUN_ID]
    return {
        "image": _image(target, columns),
        "image_object": image_object(columns),
        "image_keys": join(column_of("(images.image)", key) for key in keys),
        "is_key_of_image": equality.of_rows(keys, "(images.image)", "stored"),
        "is_same_image": equality.of_rows(keys, "(images.image)", "(former.image)"),
        "image_has_moved": sql.SQL("false"),
        "restored_columns": join(column_of("(former.image)", name) for name in names),
        "stored_columns": join(map(sql.Identifier, names)),
    }


def image_object(columns: Sequence[KeptColumn]) -> sql.Composed:
    """Return an earlier version of a row as one JSON object: where a value was kept as text too,
    that text. Not for JSON columns, for which a text would be a JSON string.
    """
    text = "replaced.old_row || coalesce(replaced.old_texts, '{{}}')"
    names = [column.name for column in columns if column.is_json]
    return sql.SQL(
        f"({text}) - array(select texts.name from jsonb_object_keys(coalesce(replaced.old_texts,"
        " '{{}}')) as texts (name) where texts.name = any({}::text[]))"
    ).format(sql.Literal(names))


def _image(target: sql.Identifier, columns: Sequence[KeptColumn]) -> sql.Composed:
    """Return an earlier version as a row of the replica."""
    if not any(column.is_json for column in columns):
        return sql.SQL("(fresh.*)::{}").format(target)
    kept = sql.SQL("coalesce((replaced.old_texts ->> {})::{}, {})")
    values = [
        kept.format(sql.Literal(column.name), sql.SQL(column.type), column.of("fresh"))
        if column.is_json
        else column.of("fresh")
        for column in columns
    ]
    return sql.SQL("row({})::{}").format(join(values), target)
