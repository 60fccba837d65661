"""What a run may promise, as one word and as a sentence. Reads nothing from the database."""

from dataclasses import dataclass
from typing import Literal

from runner.ingest.source import Clock, Facts, Source

Guarantee = Literal["exact", "settled", "lookback", "best_effort"]
# How much of a source a run has searched: its window, the lookback too, or the whole table.
Reach = Literal["window", "lookback", "table"]

EXACT_SENTENCES: dict[Reach, str] = {
    "window": "the window is in the replica as the source had it",
    "lookback": "the window is in the replica as the source had it, and so are rows that arrived"
    " late or changed up to {lookback} before it; older rows are as of the last sweep, deletes as"
    " of the last reconcile",
    "table": "every row up to the watermark is in the replica as the source had it; deletes are as"
    " of the last reconcile",
}
# The clock of another PostgreSQL may be of an earlier version, which did not describe columns.
EARLIER_VIEW = (
    "its server does not tell when values change without a row being written: there, run what is"
    " printed by python -m runner pipelines source-sql postgres"
)


@dataclass(frozen=True, slots=True)
class Promise:
    """What a run guarantees, as one word and as a sentence; nothing where both are None."""

    word: Guarantee | None = None
    sentence: str | None = None

    def but(self, reservation: str) -> "Promise":
        """Return the same promise with a reservation."""
        return Promise(self.word, "; ".join(filter(None, (self.sentence, reservation))))


def promise_of(source: Source, clock: Clock, reach: Reach = "lookback") -> Promise:
    """Return what a run may promise, by how much of the source it has searched."""
    lookback, has_key = source.definition.lookback, source.has_key
    if flaw := _flaw(source, clock.facts.get(source.remote_name or "")):
        return Promise("best_effort", f"rows may be missing: {flaw}")
    tells_columns = source.kind != "foreign" or source.remote_name in clock.facts
    if source.has_horizon and clock.horizon is not None and tells_columns:
        return Promise("exact", EXACT_SENTENCES[reach].format(lookback=lookback))
    if clock.sees_all and (has_key or (source.cursor.is_required and not source.repeats_hours)):
        late = (
            f"rows dated or changed more than {lookback} before it are not seen until a sweep"
            if has_key
            else "rows dated before it, or changed, are missed"
        )
        promise = Promise(
            "settled", f"no transaction was open that could still write into the window; {late}"
        )
        return promise if tells_columns or not source.has_row_age else promise.but(EARLIER_VIEW)
    if has_key and lookback != "00:00:00":
        return Promise(
            "lookback",
            f"rows that arrive or change up to {lookback} late are found, later ones are not:"
            f" {_doubt(source, clock)}",
        )
    return Promise("best_effort", f"rows that arrive late are missed: {_doubt(source, clock)}")


def _flaw(source: Source, facts: Facts | None) -> str | None:
    """Return why rows may be missing, whatever is known of open transactions."""
    if source.hides_rows or (facts and facts["hides_rows"]):
        return "row security hides rows of the source from this role"
    if not source.has_key:
        return None
    if source.has_children or (facts and facts["has_children"]):
        return "the key of the source does not cover its child tables, whose rows are read too"
    keys, is_unique = set(source.definition.key_columns), source.is_unique
    if facts:
        is_unique = any(keys.issuperset(columns) for columns in facts["keys"] or [])
    if is_unique is False:
        return "the key has no unique index, and rows with the same key would become one"
    return None


def _doubt(source: Source, clock: Clock) -> str:
    """Return why it cannot be known what is still being written."""
    if source.kind == "foreign" and source.clock_text:
        return "its server does not show all that is still being written"
    if source.kind == "foreign":
        return "only its own server knows who writes to the source"
    if source.repeats_hours:
        return "an hour of the cursor occurs twice in autumn, and there is no key to merge rows by"
    if not clock.sees_all:
        return (
            "not all transactions of others can be seen: this role lacks pg_read_all_stats, or a"
            " session has track_activities off"
        )
    return "the cursor may be null, and without a key such rows cannot be found again"
