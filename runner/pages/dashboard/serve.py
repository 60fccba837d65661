"""Serves the page to this machine only, and renews it after each successful build."""

import contextlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from runner.database.session import Database
from runner.errors import RunnerError, StartError
from runner.pages.dashboard.page import policy, render, script

HOST = "127.0.0.1"
PATHS = ("/", "/index.html")


class Pages:
    """The page of the newest build, rendered again when a request finds a newer one."""

    def __init__(self, database: Database, project: Path) -> None:
        self._database = database
        self._project = project
        self._lock = threading.Lock()
        self._build = self._newest()
        self._page = render(database, project).encode()

    def current(self) -> bytes:
        """Return the newest page; while none can be rendered, the last one, which shows its age."""
        with self._lock:
            with contextlib.suppress(RunnerError):
                build = self._newest()
                if build != self._build:
                    self._page = render(self._database, self._project).encode()
                    self._build = build
            return self._page

    def _newest(self) -> int:
        with self._database.session("milepost dashboard") as session:
            return int(session.named("pages/dashboard/data.newest_build")[0]["build"])


def serve(database: Database, project: Path, port: int, on_ready: Callable[[str], object]) -> None:
    """Serve until Ctrl-C; `on_ready` is called with the address, once requests are answered."""
    server = listen(Pages(database, project), port)
    on_ready(f"http://{HOST}:{server.server_port}/")
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def listen(pages: Pages, port: int) -> ThreadingHTTPServer:
    """Open a port of this machine; 0 takes a free one. Raises StartError if it is taken."""
    rules = policy(script(), served=True)

    class Handler(BaseHTTPRequestHandler):
        server_version = "milepost"
        sys_version = ""
        timeout = 30

        def do_GET(self) -> None:
            if self.headers.get("Host", "") not in _names(server.server_port):
                self.send_error(403, "Not this host")
            elif self.path.partition("?")[0] not in PATHS:
                self.send_error(404, "There is one page, at /")
            else:
                self._send(pages.current())

        def _send(self, page: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def end_headers(self) -> None:
            """Add the policy to every response, errors included."""
            self.send_header("Content-Security-Policy", rules)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cache-Control", "no-store")
            super().end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Log no requests."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise StartError(
            f"{HOST}:{port}: {error.strerror}", "name another port, or 0 for a free one: --port 0"
        ) from error
    return server


def _names(port: int) -> tuple[str, ...]:
    """Return the names of this server; any other Host is a foreign page that points here."""
    return (f"{HOST}:{port}", f"localhost:{port}")
