"""Parameters of tests that go through all there is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

Test = Callable[..., None]


def slow_but(values: Iterable[Any], *quick: Any) -> list[Any]:
    """All of them for the slow tests, and a few that stand for the others for the quick ones."""
    values = list(values)
    assert set(quick) <= set(values)
    return [
        value if value in quick else pytest.param(value, marks=pytest.mark.slow) for value in values
    ]


def with_examples(quick: int, slow: int, **strategies: Any) -> Callable[[Test], Any]:
    """As hypothesis.given, for so many examples in the quick tests, and in the slow ones."""

    def declare(test: Test) -> Any:
        def for_examples(examples: int, **fixtures: Any) -> None:
            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(**strategies)
            def attempt(**drawn: Any) -> None:
                test(**fixtures, **drawn)

            attempt()

        wanted = inspect.signature(test).parameters.values()
        fixtures = [each for each in wanted if each.name not in strategies]
        number = inspect.Parameter("examples", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        functools.update_wrapper(for_examples, test)
        for_examples.__signature__ = inspect.Signature([number, *fixtures])  # type: ignore[attr-defined]
        return pytest.mark.parametrize("examples", slow_but([quick, slow], quick))(for_examples)

    return declare
