"""Serves the page to this machine only, and renews it after builds and edits of cards."""

import contextlib
import gzip
import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from runner.database.session import Database
from runner.errors import RunnerError, StartError
from runner.pages.dashboard.cards import FOLDER
from runner.pages.dashboard.data import require
from runner.pages.dashboard.page import policy, render

HOST = "127.0.0.1"
PATHS = ("/", "/index.html")


@dataclass(frozen=True, slots=True)
class ServedPage:
    """A page as it is sent, plain or compressed, with a tag that tells one version from another."""

    plain: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, text: str) -> "ServedPage":
        content = text.encode()
        packed = gzip.compress(content, mtime=0)
        return cls(content, packed, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


class NewestPage:
    """The page of the newest build and cards: rendered again on the first request after a change.

    If it cannot be rendered, `on_problem` is called, once for each problem.
    """

    def __init__(
        self,
        database: Database,
        project: Path,
        on_problem: Callable[[RunnerError], object] = lambda error: None,
    ) -> None:
        self._database = database
        self._project = project
        self._on_problem = on_problem
        self._problem: str | None = None
        self._lock = threading.Lock()
        self._version = self._newest_version()
        self._page = ServedPage.of(render(database, project))

    def current(self) -> ServedPage:
        """Return the newest page or, while none can be rendered, the last one."""
        with self._lock:
            try:
                version = self._newest_version()
                if version != self._version:
                    self._page = ServedPage.of(render(self._database, self._project))
                    self._version = version
                self._problem = None
            except RunnerError as error:
                if error.message != self._problem:
                    self._on_problem(error)
                self._problem = error.message
            return self._page

    def _newest_version(self) -> tuple[object, ...]:
        """Return what a page is made of: the last build, and the cards by their times and sizes."""
        cards = []
        for file in sorted((self._project / FOLDER).glob("*")):
            with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                found = file.stat()
                cards.append((file.name, found.st_mtime_ns, found.st_size))
        with self._database.session("milepost dashboard") as session:
            require(session)
            [build] = session.named("pages/dashboard/data.newest_build")
        return (build["build"], *cards)


def serve(
    database: Database,
    project: Path,
    port: int,
    on_ready: Callable[[str], object],
    on_problem: Callable[[RunnerError], object],
) -> None:
    """Serve until Ctrl-C; `on_ready` is called with the address, once requests are answered."""
    server = listen(NewestPage(database, project, on_problem), port)
    on_ready(f"http://{HOST}:{server.server_port}/")
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def listen(page: NewestPage, port: int) -> ThreadingHTTPServer:
    """Open a port of this machine; 0 takes a free one. Raises StartError if it is taken."""
    rules = policy(served=True)

    class Handler(BaseHTTPRequestHandler):
        server_version = "milepost"
        sys_version = ""
        timeout = 30

        def do_GET(self) -> None:
            # Another Host means that a foreign site's name points to this machine.
            if self.headers.get("Host", "") not in {f"{HOST}:{number}", f"localhost:{number}"}:
                self.send_error(403, "Not this host")
            elif self.path.partition("?")[0] not in PATHS:
                self.send_error(404, "There is one page, at /")
            else:
                self._send(page.current())

        def do_HEAD(self) -> None:
            """Answer as GET does; send_error() and _send() leave out the body."""
            self.do_GET()

        def _send(self, page: ServedPage) -> None:
            tags = self.headers.get("If-None-Match", "").split(",")
            is_known = bool({page.tag, f"W/{page.tag}", "*"} & {tag.strip() for tag in tags})
            is_packed = _takes_gzip(self.headers.get("Accept-Encoding", ""))
            content = page.packed if is_packed else page.plain
            self.send_response(304 if is_known else 200)
            self.send_header("ETag", f"W/{page.tag}")
            self.send_header("Vary", "Accept-Encoding")
            if is_known:
                self.end_headers()
                return
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            if is_packed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def end_headers(self) -> None:
            """Add the policy to every response, errors included."""
            self.send_header("Content-Security-Policy", rules)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cache-Control", "private, no-cache")
            super().end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Log no requests."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise StartError(
            f"{HOST}:{port}: {error.strerror}", "name another port, or 0 for a free one: --port 0"
        ) from error
    number = server.server_port
    return server


def _takes_gzip(header: str) -> bool:
    """Whether Accept-Encoding allows gzip: by name or by `*`, and not with the weight 0."""
    weights = {}
    for each in header.lower().split(","):
        name, _, weight = each.partition(";")
        weights[name.strip()] = weight.strip().removeprefix("q=") or "1"
    weight = weights.get("gzip", weights.get("*", "0"))
    return bool(re.fullmatch(r"1(\.0*)?|0?\.0*[1-9]\d*", weight))
