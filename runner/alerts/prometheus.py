"""Formats a status as metrics in the Prometheus text format."""

from collections.abc import Iterable
from datetime import datetime

from runner.status import Status

Sample = tuple[dict[str, str], float | int | None]


def metrics(found: Status, target: str) -> str:
    """Return the metrics of a target, each with its help and type."""
    lines: list[str] = []

    def add(name: str, text: str, samples: Iterable[Sample]) -> None:
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            lines.extend([f"# HELP milepost_{name} {text}", f"# TYPE milepost_{name} gauge"])
        for labels, value in known:
            pairs = {"target": target, **labels}.items()
            inside = ",".join(f'{label}="{_escaped(what)}"' for label, what in pairs)
            shown = f"{value:g}" if isinstance(value, int) else f"{value:.3f}"
            lines.append(f"milepost_{name}{{{inside}}} {shown}")

    add("good", "1 if there is no known problem, else 0.", [({}, int(found.is_good))])
    problems = sorted({(row["what"], row["kind"]) for row in found.problems})
    labels = [{"what": what, "kind": kind} for what, kind in problems]
    add("problem", "1 for each problem that status reports.", [(each, 1) for each in labels])
    for column, text in (
        ("loaded_through", "Watermark of a pipeline."),
        ("ingested_at", "Time of the last successful run of a pipeline."),
        ("newest_event", "Event time of the newest event."),
        ("newest_arrival", "Arrival time of the newest row."),
    ):
        times = [({"pipeline": row["pipeline"]}, _seconds(row[column])) for row in found.freshness]
        add(f"{column}_seconds", text, times)
    succeeded = [row for row in found.last_builds if row["status"] == "succeeded"][:1]
    started: list[Sample] = [({}, _seconds(row["started_at"])) for row in succeeded]
    add("build_started_at_seconds", "Start time of the last successful build.", started)
    took: list[Sample] = [({}, float(row["seconds"])) for row in succeeded]
    add("build_duration_seconds", "Duration of the last successful build.", took)
    checks = [({"status": row["status"]}, row["checks"]) for row in found.check_counts]
    add("checks", "Number of checks by their latest result.", checks)
    return "\n".join(lines)


def _seconds(moment: str | None) -> float | None:
    """Return a time in seconds since 1970; None for null and for infinity."""
    try:
        return None if moment is None else datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
