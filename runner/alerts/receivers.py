"""Receivers of alerts: a command, a webhook or a mailbox, which the environment names.

Their addresses are read from the environment and never stored: that of a webhook is a secret.
"""

import json
import os
import re
import smtplib
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from http.client import HTTPException
from urllib.parse import SplitResult, unquote, urlsplit

from runner.errors import UsageError

COMMAND = "MILEPOST_ALERT_COMMAND"
WEBHOOK = "MILEPOST_ALERT_WEBHOOK"
EMAIL = "MILEPOST_ALERT_EMAIL"
SMTP = "MILEPOST_SMTP_URL"
TIMEOUT_SECONDS = 5.0  # for each message; one that fails is sent again in the next round


class NotDelivered(Exception):
    """A receiver did not accept a message. The text contains no address."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A message to a receiver: a problem was found, or it is over."""

    event: str  # found or over
    database: str
    target: str
    what: str
    kind: str
    problem: str
    remedy: str | None
    found_at: str
    over_at: str | None

    @property
    def headline(self) -> str:
        """Return the message as one line, for a chat or the subject of a mail."""
        return f"{'over: ' if self.event == 'over' else ''}{self.what}: {self.problem}"

    def as_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver. `send` raises NotDelivered."""

    name: str
    send: Callable[[Incident], None]


def receivers(environment: Mapping[str, str] = os.environ) -> list[Receiver]:
    """Return the receivers that the environment names; UsageError if none or invalid."""
    found = []
    if command := environment.get(COMMAND):
        found.append(Receiver("command", lambda incident: _run(command, incident)))
    if webhook := environment.get(WEBHOOK):
        if not re.match(r"https?://[^\s/\[\]]", webhook):
            raise UsageError(f"{WEBHOOK} is not an address", "for example https://...")
        found.append(Receiver("webhook", lambda incident: _post(webhook, incident)))
    if recipient := environment.get(EMAIL):
        server = _mail_server(environment.get(SMTP, "smtp://localhost"))
        found.append(Receiver("email", lambda incident: _mail(server, recipient, incident)))
    if not found:
        raise UsageError("there is no receiver of alerts", f"set {COMMAND}, {WEBHOOK} or {EMAIL}")
    return found


def _run(command: str, incident: Incident) -> None:
    """Run a shell command, with the incident as JSON on its standard input."""
    try:
        done = subprocess.run(
            command,
            shell=True,
            input=incident.as_json(),
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotDelivered(type(error).__name__) from error
    if done.returncode:
        raise NotDelivered(f"exit code {done.returncode}")


def _post(address: str, incident: Incident) -> None:
    """Post {"text": ...}, the format of Slack and compatible chats."""
    text = f"milepost, {incident.database}: {incident.headline}"
    if incident.event == "found" and incident.remedy:
        text += f"\n{incident.remedy}"
    request = urllib.request.Request(
        address,
        json.dumps({"text": text}).encode(),
        {"Content-Type": "application/json", "User-Agent": "milepost"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
            pass
    except (OSError, HTTPException, ValueError) as error:  # HTTPError is an OSError
        raise NotDelivered(_reason(error)) from error


def _mail_server(address: str) -> SplitResult:
    try:
        found = urlsplit(address)
        _ = found.port  # ValueError if it is not a port
    except ValueError:
        found = urlsplit("")
    if found.scheme not in ("smtp", "smtps") or not found.hostname:
        raise UsageError(f"{SMTP} is not an address", "for example smtp://user:password@host:587")
    return found


def _mail(address: SplitResult, recipient: str, incident: Incident) -> None:
    message = EmailMessage()
    message["From"] = f"milepost <milepost@{socket.getfqdn()}>"
    message["To"] = recipient
    # A header is one line, but the text of an error may have several.
    subject = f"milepost, {incident.database}: {incident.headline}"
    message["Subject"] = " ".join(subject.split())[:200]
    lines = [incident.headline, "", incident.remedy or "", f"since {incident.found_at}"]
    message.set_content("\n".join(lines))
    is_tls = address.scheme == "smtps"
    kind = smtplib.SMTP_SSL if is_tls else smtplib.SMTP
    try:
        # Port 0 is the default port, 465 or 25.
        with kind(address.hostname or "", address.port or 0, timeout=TIMEOUT_SECONDS) as server:
            if not is_tls and server.has_extn("starttls"):
                server.starttls()
            if address.username:
                server.login(unquote(address.username), unquote(address.password or ""))
            server.send_message(message)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotDelivered(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Return the reason without the address, which may be a secret."""
    code = getattr(error, "code", None) or getattr(error, "smtp_code", None)
    reason = getattr(error, "reason", None)
    strerror = getattr(reason, "strerror", None) or getattr(error, "strerror", None)
    return str(code or strerror or reason or type(error).__name__)
