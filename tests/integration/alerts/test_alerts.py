"""Somebody is told once when something goes wrong, and once when it is over.

The receivers are a real HTTP server, a real SMTP server and a real command, on this machine.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from runner.alerts import receivers
from runner.alerts.receivers import Incident, NotDelivered
from runner.database.session import Database
from runner.errors import UsageError
from tests.support import query
from tests.support.commands import command

INCIDENT = Incident(
    "found", "shop", "live", "build 7", "failed", "the last build failed", "run build", "now", None
)


class Chat:
    """A webhook's server that can be told to refuse."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.answer = 200
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if chat.answer == 200:
                    assert self.headers["Content-Type"] == "application/json"
                    chat.texts.append(json.loads(body)["text"])
                self.send_response(chat.answer)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/hooks/planted-token"


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()
    with serving(chat.server):
        yield chat


class Mailbox(socketserver.StreamRequestHandler):
    """The few words of SMTP that a client needs."""

    mails: list[str]

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline().strip().upper():
            if line.startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.mails.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 ok\r\n")


@pytest.fixture
def mailbox() -> Iterator[tuple[str, list[str]]]:
    handler = type("OneMailbox", (Mailbox,), {"mails": []})
    with socketserver.TCPServer(("127.0.0.1", 0), handler) as server, serving(server):
        yield f"smtp://127.0.0.1:{server.server_address[1]}", handler.mails


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def break_a_pipeline(database: Database) -> None:
    query(database, "alter table public.utm_campaigns rename to lent_out")


def mend_it(database: Database) -> None:
    query(database, "alter table public.lent_out rename to utm_campaigns")


def test_a_failure_and_its_end_are_told_once_each_however_many_rounds_go_by(
    built: Database, chat: Chat
) -> None:
    def rounds(count: int, code: int) -> None:
        for _ in range(count):
            done = command("run-all", database=built, MILEPOST_ALERT_WEBHOOK=chat.address)
            assert done.returncode == code, done.stderr

    rounds(1, 0)
    assert not about_campaigns(chat)
    break_a_pipeline(built)
    rounds(3, 1)
    [told] = about_campaigns(chat)
    assert "pipeline utm_campaigns: its last run failed" in told
    assert "fix the cause, then run ingest" in told
    mend_it(built)
    rounds(2, 0)
    assert len(about_campaigns(chat)) == 2
    assert "over: pipeline utm_campaigns: its last run failed" in about_campaigns(chat)[1]


def test_a_receiver_that_is_down_three_times_and_then_up_is_told_once(
    built: Database, chat: Chat
) -> None:
    break_a_pipeline(built)
    chat.answer = 503
    for _ in range(3):
        done = command("run-all", database=built, MILEPOST_ALERT_WEBHOOK=chat.address)
        assert done.returncode == 1
        assert "warning: alert not delivered, webhook: 503" in done.stderr
        assert "planted-token" not in done.stdout + done.stderr
    chat.answer = 200
    for _ in range(2):
        command("run-all", database=built, MILEPOST_ALERT_WEBHOOK=chat.address)
    assert len(about_campaigns(chat)) == 1
    kept = query(
        built,
        "select failed_attempts, last_failure, told from orchestrator.alerts where kind = 'failed'",
    )
    assert [(row["last_failure"], row["told"]) for row in kept] == [("webhook: 503", ["webhook"])]


def test_each_receiver_is_told_whether_or_not_the_others_take_it(
    built: Database, chat: Chat, mailbox: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, mails = mailbox
    break_a_pipeline(built)
    chat.answer = 500
    file = tmp_path / "told"
    done = command(
        "run-all",
        database=built,
        MILEPOST_ALERT_WEBHOOK=chat.address,
        MILEPOST_ALERT_EMAIL="data@example.com",
        MILEPOST_SMTP_URL=address,
        MILEPOST_ALERT_COMMAND=f"cat >> {file}; echo >> {file}",
    )
    assert done.returncode == 1
    told = [json.loads(line) for line in file.read_text().splitlines()]
    [failed] = [each for each in told if each["kind"] == "failed"]
    assert failed["event"] == "found"
    assert failed["what"] == "pipeline utm_campaigns"
    [mail] = [mail for mail in mails if "utm_campaigns" in mail]
    assert "To: data@example.com" in mail


def test_status_alerts_for_cron_and_keeps_its_exit_code(built: Database, chat: Chat) -> None:
    break_a_pipeline(built)
    assert command("ingest", database=built).returncode == 3
    for _ in range(2):
        done = command("status", "--alert", database=built, MILEPOST_ALERT_WEBHOOK=chat.address)
        assert done.returncode == 1
    assert len(about_campaigns(chat)) == 1


def test_status_that_should_alert_nobody_is_a_usage_error(built: Database) -> None:
    done = command("status", "--alert", database=built)
    assert done.returncode == 2
    assert "MILEPOST_ALERT_WEBHOOK" in done.stderr


def test_a_wrong_address_is_a_warning_of_a_round_that_goes_on(built: Database) -> None:
    done = command("run-all", database=built, MILEPOST_ALERT_WEBHOOK="planted-token")
    assert done.returncode == 0
    assert "warning: MILEPOST_ALERT_WEBHOOK is not an address" in done.stderr
    assert "planted-token" not in done.stderr


def test_a_second_problem_of_one_pipeline_is_a_second_incident(built: Database, chat: Chat) -> None:
    break_a_pipeline(built)
    command("run-all", database=built, MILEPOST_ALERT_WEBHOOK=chat.address)
    query(
        built,
        "update orchestrator.pipeline_definitions set freshness_fail_after = '0 s'"
        " where pipeline_name = 'utm_campaigns'",
    )
    command("run-all", database=built, MILEPOST_ALERT_WEBHOOK=chat.address)
    assert len(about_campaigns(chat)) == 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MILEPOST_ALERT_COMMAND", "exit 3"),
        ("MILEPOST_ALERT_COMMAND", "sleep 60"),
        ("MILEPOST_ALERT_WEBHOOK", "http://127.0.0.1:9/"),
        ("MILEPOST_ALERT_EMAIL", "data@example.com"),
    ],
)
def test_what_cannot_be_delivered_says_so_in_time(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receivers, "TIMEOUT_SECONDS", 0.3)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        smtp = f"smtp://127.0.0.1:{closed.getsockname()[1]}"
        [receiver] = receivers.receivers({variable: value, "MILEPOST_SMTP_URL": smtp})
        with pytest.raises(NotDelivered):
            receiver.send(INCIDENT)


def test_an_error_of_several_lines_is_one_subject(mailbox: tuple[str, list[str]]) -> None:
    address, mails = mailbox
    environment = {"MILEPOST_ALERT_EMAIL": "data@example.com", "MILEPOST_SMTP_URL": address}
    [receiver] = receivers.receivers(environment)
    receiver.send(replace(INCIDENT, problem="first\r\nBcc: planted@example.com\n\nlast"))
    [mail] = mails
    headers = mail.partition("\r\n\r\n")[0].splitlines()
    assert not any(line.startswith("Bcc") for line in headers)


def test_a_command_that_prints_no_text_has_taken_the_message() -> None:
    [receiver] = receivers.receivers({"MILEPOST_ALERT_COMMAND": r"printf '\377\376'"})
    receiver.send(INCIDENT)


@pytest.mark.parametrize(
    "environment",
    [
        {"MILEPOST_ALERT_WEBHOOK": "http://["},
        {"MILEPOST_ALERT_WEBHOOK": "file:///etc/passwd"},
        {"MILEPOST_ALERT_EMAIL": "a@example.com", "MILEPOST_SMTP_URL": "localhost:25"},
        {"MILEPOST_ALERT_EMAIL": "a@example.com", "MILEPOST_SMTP_URL": "smtp://host:port"},
    ],
)
def test_addresses_that_are_none_are_refused_before_anything_is_sent(
    environment: dict[str, str],
) -> None:
    with pytest.raises(UsageError):
        receivers.receivers(environment)


def about_campaigns(chat: Chat) -> list[str]:
    return [text for text in chat.texts if "utm_campaigns" in text]
