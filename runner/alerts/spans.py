"""Exports the runs and scripts of a round as OpenTelemetry spans. Queries: spans.sql.

The variables of OpenTelemetry, such as OTEL_EXPORTER_OTLP_ENDPOINT, say where to. Spans contain
names of pipelines and scripts and counts of rows, but no error messages, which may contain data.
"""

from datetime import datetime

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from runner.database.session import Database, Row, host
from runner.errors import RunnerError

TIMEOUT_SECONDS = 5
ATTRIBUTES = ("run_id", "kind", "status", "target", "rows_inserted", "rows_updated", "rows_deleted")


def export(database: Database, after_run: int) -> None:
    """Send the runs of this process after `after_run` in one request; RunnerError if it fails."""
    with database.session("milepost spans") as session:
        rows = session.named("alerts/spans.runs", host=host(), after=after_run)
    if not rows:
        return
    collected = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "milepost"}))
    provider.add_span_processor(SimpleSpanProcessor(collected))
    tracer = provider.get_tracer("milepost")
    root = tracer.start_span("run-all", start_time=_nanoseconds(rows[0]["started_at"]))
    contexts = {None: set_span_in_context(root)}
    for row in rows:
        span = tracer.start_span(
            row["name"],
            context=contexts.get(row["parent_run_id"], contexts[None]),
            start_time=_nanoseconds(row["started_at"]),
            attributes=_attributes(row),
        )
        if row["status"] == "failed":
            span.set_status(Status(StatusCode.ERROR, row["sqlstate"]))
        contexts[row["run_id"]] = set_span_in_context(span)
        span.end(end_time=_nanoseconds(row["finished_at"]))
    root.end(end_time=max(_nanoseconds(row["finished_at"]) for row in rows))
    exporter = OTLPSpanExporter(timeout=TIMEOUT_SECONDS)
    if exporter.export(collected.get_finished_spans()) is not SpanExportResult.SUCCESS:
        raise RunnerError(
            "the spans of this round were not delivered", "check OTEL_EXPORTER_OTLP_ENDPOINT"
        )


def _attributes(row: Row) -> dict[str, str | int]:
    return {f"milepost.{name}": row[name] for name in ATTRIBUTES if row[name] is not None}


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
