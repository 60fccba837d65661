"""Shows work while it goes on: a line for each result, or on a terminal one line that moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING

from runner.build.plan import Step
from runner.build.transaction import ScriptResult
from runner.cli.output import is_terminal, row_counts, say, style, visible, warn
from runner.ingest.pipeline import RunResult
from runner.run import Listener

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@dataclass(slots=True)
class Live(Listener):
    """The listener of the command line: shows each result, and keeps it for the summary."""

    progress: Progress | None = None
    task: TaskID | None = None
    results: list[ScriptResult] = field(default_factory=list)
    windows: list[RunResult] = field(default_factory=list)
    warnings: list[tuple[str, str | None]] = field(default_factory=list)

    def warn(self, message: str, hint: str | None = None) -> None:
        """Keep a warning for the end."""
        self.warnings.append((message, hint))

    def waiting(self, message: str) -> None:
        """Say at once whom the work waits for."""
        if self.progress is not None:
            self.progress.stop()
        warn(message)
        if self.progress is not None:
            self.progress.start()

    def show(self, text: str, done: float, total: float) -> None:
        """Show a step of known size, for instance bytes of a file."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, description=visible(text), completed=done, total=total)

    def starting(self, step: Step, index: int, count: int) -> None:
        """Show the script that begins."""
        self.show(f"{step.script.key} ({index + 1} of {count})", index, count)

    def result(self, done: ScriptResult) -> None:
        """Show a script that has run."""
        self.results.append(done)
        if self.progress is None:
            line = f"ok  {done.step.script.key:<34} {script_rows(done):>24} {done.seconds:7.2f}s"
            say(f"{line}  {done.step.reason}")

    def loaded(self, window: RunResult) -> None:
        """Show a committed run, unless it found nothing to change."""
        counts, up_to = window.counts, window.window.high[:19]
        is_worth_a_word = bool(counts.changed or counts.rejected or window.notes)
        if is_worth_a_word:
            self.windows.append(window)
        if self.progress is not None:
            self.show(f"{window.pipeline} up to {up_to}", window.window.share, 1.0)
        elif is_worth_a_word:
            rows = row_counts(counts.inserted, counts.updated, counts.deleted, counts.rejected)
            say(f"ok  {window.pipeline:<34} {rows:>24} {window.seconds:7.2f}s  up to {up_to}")
            for note in window.notes:
                say(f"    {note}")


def script_rows(done: ScriptResult) -> str:
    """Describe what a script changed; nothing for a view."""
    return "" if done.step.script.is_view else row_counts(*astuple(done.changes))


@contextmanager
def live() -> Iterator[Live]:
    """Show the work that goes on inside, and at its end, also when it fails, the warnings."""
    shown = Live()
    if is_terminal() and not style.quiet:
        shown.progress = _moving_line()
        shown.task = shown.progress.add_task("", total=None)
        shown.progress.start()
    try:
        yield shown
    finally:
        if shown.progress is not None:
            shown.progress.stop()
        for message, hint in shown.warnings:
            warn(message, hint)


def _moving_line() -> Progress:
    # Only terminals need rich, and it is slow to import.
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(bar_width=20),
        bars.TimeElapsedColumn(),
        bars.TextColumn("about"),
        bars.TimeRemainingColumn(),
        bars.TextColumn("left"),
    )
    return bars.Progress(*columns, console=Console(stderr=True), transient=True)
