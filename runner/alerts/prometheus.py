"""Writes a status as metrics in the text format of Prometheus."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from runner.status import Status


def metrics(found: Status, target: str) -> str:
    """Return the metrics of a target, each with its help and type."""
    lines: list[str] = []
    for name, text, samples in _families(found):
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            lines += [f"# HELP milepost_{name} {text}", f"# TYPE milepost_{name} gauge"]
        for labels, value in known:
            pairs = {"target": target, **labels}.items()
            inside = ",".join(f'{label}="{_escaped(what)}"' for label, what in pairs)
            shown = f"{value:g}" if isinstance(value, int) else f"{value:.3f}"
            lines.append(f"milepost_{name}{{{inside}}} {shown}")
    return "\n".join(lines)


Samples = Iterable[tuple[dict[str, str], float | int | None]]


def _families(found: Status) -> Iterator[tuple[str, str, Samples]]:
    yield "good", "1 if nothing is known to be missing.", [({}, int(found.is_good))]
    problems = {(row["what"], row["kind"]) for row in found.problems}
    yield (
        "problem",
        "1 for each problem of status.",
        [({"what": what, "kind": kind}, 1) for what, kind in sorted(problems)],
    )
    for column, name, text in (
        ("loaded_through", "loaded_through_seconds", "How far a pipeline has loaded."),
        ("ingested_at", "ingested_at_seconds", "When a pipeline last succeeded."),
        ("newest_event", "newest_event_seconds", "When the newest event happened."),
        ("newest_arrival", "newest_arrival_seconds", "When the newest row arrived."),
    ):
        yield (
            name,
            text,
            [({"pipeline": row["pipeline"]}, _seconds(row[column])) for row in found.freshness],
        )
    succeeded = [row for row in found.last_builds if row["status"] == "succeeded"][:1]
    yield (
        "build_started_at_seconds",
        "When the last build that succeeded began.",
        [({}, _seconds(row["started_at"])) for row in succeeded],
    )
    yield (
        "build_duration_seconds",
        "How long the last build that succeeded took.",
        [({}, float(row["seconds"])) for row in succeeded],
    )
    yield (
        "checks",
        "Checks by their last result.",
        [({"status": row["status"]}, row["checks"]) for row in found.check_counts],
    )


def _seconds(moment: str | None) -> float | None:
    """Return a moment in seconds since 1970; None for none, and for an infinite one."""
    try:
        return None if moment is None else datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
