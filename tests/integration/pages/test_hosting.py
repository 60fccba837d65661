"""docs/hosting.md: what is shown there works as it is shown."""

from __future__ import annotations

import base64
import gzip
import http.client
import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.database.session import Database
from runner.pages.dashboard.page import write
from runner.project.manifest import load
from runner.project.target import Target
from runner.setup import schema
from tests.support import PROJECT, event, insert_events, roles, run_all
from tests.support.commands import command
from tests.support.waiting import wait_until

TEXT = (PROJECT / "docs" / "hosting.md").read_text(encoding="utf-8")
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user of nginx may enter."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_its_lines_of_cron_are_run_by_who_may_only_read(
    database: Database, no_margin: None, tmp_path: Path
) -> None:
    lines = re.findall(r"^\*/15 \* \* \* \* reports cd /srv/warehouse && (.*)$", TEXT, re.MULTILINE)
    assert len(lines) == 2
    with roles.dropped(database):
        schema.apply(database, load(PROJECT), Target(), roles=True)
        insert_events(database, [event(0, f"u_{user}", country="SG") for user in range(5)])
        run_all(database)
        reader = roles.login(database, "reader")
        for line in lines:
            program, *words = shlex.split(line.replace("/srv/pages", str(tmp_path)))
            assert (program, words[:2]) == (".venv/bin/python", ["-m", "runner"])
            done = command(*words[2:], database=reader)
            assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"dashboard.html", "singapore.html"}


@pytest.mark.slow
@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_its_nginx_lets_in_who_has_the_password(database: Database, open_folder: Path) -> None:
    folder = open_folder
    (folder / "pages").mkdir(mode=0o755)
    write(database, PROJECT, folder / "pages" / "dashboard.html", 0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    salted = subprocess.run(
        ["openssl", "passwd", "-apr1", "secret"], capture_output=True, text=True, check=True
    )
    (folder / "readers").write_text(f"ann:{salted.stdout}")
    (folder / "readers").chmod(0o644)
    found = re.search(r"```nginx\n(.*?)```", TEXT, re.DOTALL)
    assert found
    site = re.sub(r" *(ssl_certificate|server_name).*\n", "", found[1])
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port}"),
        ("/srv/pages", str(folder / "pages")),
        ("/etc/nginx/readers", str(folder / "readers")),
    ):
        assert old in site
        site = site.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/log; events {{}}\n"
        f"http {{ types {{ text/html html; }} access_log off; {temporary}\n{site} }}"
    )
    server = subprocess.Popen([str(NGINX), "-c", str(folder / "nginx.conf"), "-e", f"{folder}/log"])
    try:
        wait_until(lambda: ask(port) is not None, "nginx to answer")
        assert status(port) == 401
        assert status(port, "ann:wrong") == 401
        answer, content = ask(port, "ann:secret", {"Accept-Encoding": "gzip"}) or (None, b"")
        assert answer and answer.status == 200
        assert answer.getheader("Content-Encoding") == "gzip"
        assert gzip.decompress(content) == (folder / "pages" / "dashboard.html").read_bytes()
        for name, value in {
            "X-Frame-Options": "DENY",
            "Cache-Control": "private, no-cache",
        }.items():
            assert answer.getheader(name) == value
        known = {"Accept-Encoding": "gzip", "If-None-Match": answer.getheader("ETag") or ""}
        assert status(port, "ann:secret", known) == 304
        assert status(port, "ann:secret", path="/") == 302
        for path in ("/nginx.conf", "/../readers", "/pages/", "/readers"):
            assert status(port, "ann:secret", path=path) in (400, 404), path
    finally:
        server.terminate()
        server.wait(timeout=30)


def status(port: int, who: str = "", headers: dict[str, str] | None = None, path: str = "") -> int:
    found = ask(port, who, headers, path)
    assert found
    return found[0].status


def ask(
    port: int, who: str = "", headers: dict[str, str] | None = None, path: str = ""
) -> tuple[http.client.HTTPResponse, bytes] | None:
    """The answer, or None while nobody listens."""
    signed = {"Authorization": "Basic " + base64.b64encode(who.encode()).decode()} if who else {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path or "/dashboard.html", headers={**signed, **(headers or {})})
        answer = connection.getresponse()
        return answer, answer.read()
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()
