"""Shows progress: a line for each result or, on a terminal, a progress bar."""

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
class ProgressListener(Listener):
    """Shows each result as it arrives, and keeps results and warnings for the summary."""

    progress: Progress | None = None
    task: TaskID | None = None
    results: list[ScriptResult] = field(default_factory=list)
    windows: list[RunResult] = field(default_factory=list)
    warnings: list[tuple[str, str | None]] = field(default_factory=list)

    def warn(self, message: str, hint: str | None = None) -> None:
        """Keep a warning for the end."""
        self.warnings.append((message, hint))

    def waiting(self, message: str) -> None:
        """Report at once what the work is waiting for."""
        if self.progress is not None:
            self.progress.stop()
        warn(message)
        if self.progress is not None:
            self.progress.start()

    def show(self, text: str, done: float, total: float) -> None:
        """Update the progress bar: `done` of `total` steps, bytes or seconds."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, description=visible(text), completed=done, total=total)

    def starting(self, step: Step, index: int, count: int) -> None:
        """Show which script is starting."""
        self.show(f"{step.script.key} ({index + 1} of {count})", index, count)

    def result(self, done: ScriptResult) -> None:
        """Show what a script changed."""
        self.results.append(done)
        if self.progress is None:
            line = f"ok  {done.step.script.key:<34} {script_rows(done):>24} {done.seconds:7.2f}s"
            say(f"{line}  {done.step.reason}")

    def loaded(self, window: RunResult) -> None:
        """Show a committed run, unless it changed nothing."""
        counts, up_to = window.counts, window.window.high[:19]
        is_shown = bool(counts.changed or counts.rejected or window.notes)
        if is_shown:
            self.windows.append(window)
        if self.progress is not None:
            self.show(f"{window.pipeline} up to {up_to}", window.window.share, 1.0)
        elif is_shown:
            rows = row_counts(counts.inserted, counts.updated, counts.deleted, counts.rejected)
            say(f"ok  {window.pipeline:<34} {rows:>24} {window.seconds:7.2f}s  up to {up_to}")
            for note in window.notes:
                say(f"    {note}")


def script_rows(done: ScriptResult) -> str:
    """Return the row counts of a script as text; empty for a view."""
    return "" if done.step.script.is_view else row_counts(*astuple(done.changes))


@contextmanager
def show_progress() -> Iterator[ProgressListener]:
    """Show progress inside the block, and the warnings at its end, even if it fails."""
    shown = ProgressListener()
    if is_terminal() and not style.quiet:
        shown.progress = _progress_bar()
        shown.task = shown.progress.add_task("", total=None)
        shown.progress.start()
    try:
        yield shown
    finally:
        if shown.progress is not None:
            shown.progress.stop()
        for message, hint in shown.warnings:
            warn(message, hint)


def _progress_bar() -> Progress:
    # Rich is slow to import, and needed only on a terminal.
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
