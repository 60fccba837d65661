"""Patterns of `forget` find a value wherever a text names it, and nobody whose name contains it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.database.session import Database, Session
from runner.erasure.criteria import fields, words

# No null, which no text of PostgreSQL has, and no surrogates.
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=80
).filter(lambda text: text.strip() and text == text.strip())
BOUNDED = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def session(empty_database: Database) -> Iterator[Session]:
    with empty_database.session("test") as session:
        yield session


def matches(session: Session, text: str, patterns: list[str]) -> bool:
    found = session.value(
        "select %(text)s::text ~ any(%(patterns)s::text[])", {"text": text, "patterns": patterns}
    )
    return bool(found)


@BOUNDED
@given(value=TEXTS)
def test_a_value_is_found_as_a_word_of_a_text_and_of_json(session: Session, value: str) -> None:
    patterns = words([value])
    for text in (value, f"({value})", f"no: {value}, sorry", f"\n{value}\n"):
        assert matches(session, text, patterns)
    for inside in (value, f"no: {value}!", f"a\n{value}\tb"):
        stored = session.value("select %(json)s::jsonb::text", {"json": json.dumps({"u": inside})})
        assert matches(session, stored, patterns)


@BOUNDED
@given(value=TEXTS, others=st.lists(TEXTS, max_size=2))
def test_a_value_is_found_as_a_field_of_a_line(
    session: Session, value: str, others: list[str]
) -> None:
    for quoting in (csv.QUOTE_ALL, csv.QUOTE_MINIMAL):
        line = io.StringIO()
        csv.writer(line, quoting=quoting, lineterminator="").writerow(["never", value, *others])
        assert matches(session, line.getvalue(), fields([value]))


@pytest.mark.parametrize("other", ["u_42", "142", "42x", "4_2", "42_", "é42"])
def test_a_longer_word_is_somebody_else(session: Session, other: str) -> None:
    assert not matches(session, f"user {other} failed", words(["42"]))
    assert not matches(session, f"never,{other},x", fields(["42"]))
    assert not matches(session, json.dumps({"n": other}, ensure_ascii=False), words(["42"]))
