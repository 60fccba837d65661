"""Listeners of builds."""

from collections.abc import Callable

from runner.build.plan import Step
from runner.build.transaction import Listener, ScriptResult


class Hearing(Listener):
    """Calls functions, where a whole class would be too much."""

    def __init__(
        self,
        starting: Callable[[Step, int, int], object] = lambda step, index, count: None,
        result: Callable[[ScriptResult], object] = lambda done: None,
    ) -> None:
        self.starting = starting  # type: ignore[assignment]
        self.result = result  # type: ignore[assignment]
