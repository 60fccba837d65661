"""A collector gets a span for each run and each script; the collector is a real HTTP server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runner.database.session import Database
from tests.support import earn, insert_events, query
from tests.support.commands import command


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    batches: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            request = ExportTraceServiceRequest.FromString(body)
            batches.append(
                [
                    span
                    for resource in request.resource_spans
                    for scope in resource.scope_spans
                    for span in scope.spans
                ]
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", batches
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_round_is_a_trace_of_its_runs_and_scripts(
    built: Database, collector: tuple[str, list[Any]]
) -> None:
    address, batches = collector
    insert_events(built, [earn(31, "late riser", 70)])
    done = command("run-all", database=built, OTEL_EXPORTER_OTLP_ENDPOINT=address)
    assert done.returncode == 0, done.stderr
    [spans] = batches
    by_name = {span.name: span for span in spans}
    root, build = by_name["run-all"], by_name["build"]
    fact = by_name["warehouse.fact_miles_earned"]
    assert not root.parent_span_id
    assert build.parent_span_id == by_name["window event_stream"].parent_span_id == root.span_id
    assert fact.parent_span_id == build.span_id
    assert build.start_time_unix_nano <= fact.end_time_unix_nano <= root.end_time_unix_nano
    values = {each.key: each.value for each in fact.attributes}
    assert values["milepost.rows_inserted"].int_value == 1
    assert "late riser" not in str(spans)


def test_a_failed_run_is_an_error_without_its_text(
    built: Database, collector: tuple[str, list[Any]]
) -> None:
    address, batches = collector
    query(built, "alter table public.utm_campaigns rename to lent_out")
    insert_events(built, [earn(31, "late riser", 70)])
    query(
        built,
        "alter table warehouse.fact_miles_earned add constraint no check (user_id = 'x') not valid",
    )
    done = command("run-all", database=built, OTEL_EXPORTER_OTLP_ENDPOINT=address)
    assert done.returncode == 1
    [spans] = batches
    failed = {span.name: span.status.message for span in spans if span.status.code == 2}
    assert failed["build"] == failed["warehouse.fact_miles_earned"] == "23514"
    assert "late riser" not in str(spans)


def test_a_collector_that_is_away_is_a_warning(built: Database) -> None:
    done = command("run-all", database=built, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 0
    assert "warning: the spans of this round were not delivered" in done.stderr


def test_a_server_that_is_away_is_the_error_and_what_follows_is_done(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    done = command(
        "run-all",
        "--on-failure",
        f"cat > {bad}",
        database=Database("host=127.0.0.1 port=1 dbname=none"),
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )
    assert done.returncode == 3
    assert "cannot connect" in bad.read_text()


def test_without_a_collector_nothing_is_loaded(built: Database) -> None:
    done = command("run-all", "--debug", database=built)
    assert "opentelemetry" not in done.stderr
