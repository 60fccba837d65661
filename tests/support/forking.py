"""Command lines in processes that need not import anything.

A server, started once for each worker of the tests, has imported the command line and parsed the
scripts that ship. For each command line it forks a process, which goes on as `python -m runner`
does. That saves most of the time of a short command.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import pty
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
STATUS_BYTES = 4


def run(
    arguments: list[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` does, with nothing on standard input."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        with _asked(arguments, folder, environment, output.fileno(), errors.fileno()) as ours:
            code = _code(ours, timeout)
        said = [_read(file) for file in (output, errors)]
    return subprocess.CompletedProcess(arguments, code, *said)


def run_at_terminal(
    arguments: list[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[bytes]:
    """The same with a terminal for output and errors; what it shows is all in `stdout`."""
    leader, follower = pty.openpty()
    with _asked(arguments, folder, environment, follower, follower) as ours:
        os.close(follower)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal ends
            while block := os.read(leader, 65536):
                shown += block
        os.close(leader)
        return subprocess.CompletedProcess(arguments, _code(ours, timeout), shown, b"")


@contextlib.contextmanager
def _asked(
    arguments: list[str], folder: Path, environment: Mapping[str, str], output: int, errors: int
) -> Iterator[socket.socket]:
    """A process that runs this; the socket tells its number, and then how it ends."""
    request = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            handed = [theirs.fileno(), output, errors]
            socket.send_fds(_server(), [json.dumps(request).encode()], handed)
        yield ours


def _code(ours: socket.socket, timeout: float) -> int:
    ours.settimeout(timeout)
    pid = int.from_bytes(ours.recv(STATUS_BYTES), "big")
    try:
        return int.from_bytes(ours.recv(STATUS_BYTES), "big", signed=True)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        raise


def _read(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode())


@cache
def _server() -> socket.socket:
    """Start the server; it ends when this process does, and closes its end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forking", str(theirs.fileno())],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # no terminal, whoever runs the tests
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    atexit.register(_stop, process, ours)
    return ours


def _stop(process: subprocess.Popen[bytes], server: socket.socket) -> None:
    server.close()
    process.wait()


def _warm_up() -> None:
    from runner.build.inspect import reads
    from runner.cli import commands
    from runner.project.manifest import load

    for module in pkgutil.iter_modules(commands.__path__, f"{commands.__name__}."):
        importlib.import_module(module.name)
    importlib.import_module("rich.progress")  # as each command at a terminal does
    manifest = load(PROJECT)
    reads.check(manifest, manifest.scripts.values())
    gc.freeze()  # what the collector does not touch stays shared


def _serve(asked: socket.socket) -> dict[str, Any] | None:
    """Fork for each request; returns the request in the new process, None when all is done."""
    while True:
        message, handed, *_ = socket.recv_fds(asked, 2**20, 3)
        if not message:
            return None
        if os.fork() == 0:
            asked.close()
            _wait_in_between(*handed)
            return dict(json.loads(message))
        for number in handed:
            os.close(number)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _wait_in_between(answer: int, output: int, errors: int) -> None:
    """Return in a child with these streams; its parent says how that ended."""
    pid = os.fork()
    if pid:
        os.write(answer, pid.to_bytes(STATUS_BYTES, "big"))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(answer, code.to_bytes(STATUS_BYTES, "big", signed=True))
        os._exit(0)
    os.close(answer)
    for number, stream in ((output, 1), (errors, 2)):
        os.dup2(number, stream)
        os.close(number)


def _become(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """Be `python -m runner` in that folder and environment."""
    from runner.__main__ import __file__ as program
    from runner.__main__ import main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.path[0] = folder
    sys.argv = [program, *arguments]
    try:
        main()
    except SystemExit as end:
        # To take all modules apart again costs more than the command. Any other end is no code.
        if isinstance(end.code, int):
            atexit._run_exitfuncs()
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(end.code)
        raise


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asked_of_us:
        _warm_up()
        request = _serve(asked_of_us)
    if request:
        _become(**request)
