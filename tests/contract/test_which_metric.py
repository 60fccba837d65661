"""docs/which-metric.md: each question has a query that runs, on the table and columns it names."""

from __future__ import annotations

import re

import pytest

from runner.database.session import Database
from runner.project.manifest import load
from runner.setup.demo import Demo, seed
from tests.support import PROJECT, query, run_all

PAGE = (PROJECT / "docs/which-metric.md").read_text(encoding="utf-8")
INDEX = re.findall(
    r"^\| \[(.+?)\]\(#.+?\) \| (.+?) \| (.+?) \|(?: `(\w+)`)? \|$", PAGE, flags=re.MULTILINE
)
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))

each_question = pytest.mark.parametrize(("question", "tables", "columns", "part"), INDEX)


def test_each_question_has_a_section_and_the_other_way_round() -> None:
    assert [question for question, *_ in INDEX] == list(SECTIONS)


def test_each_report_answers_a_question() -> None:
    reports = {one.name for one in load(PROJECT).scripts.values() if one.layer == "reporting"}
    # What it says is about a model.
    assert reports - {"cluster_quality"} <= set(re.findall(r"reporting\.(\w+)", PAGE))


@each_question
def test_the_query_of_a_question_reads_what_the_index_says(
    question: str, tables: str, columns: str, part: str
) -> None:
    (text,) = re.findall(r"```sql\n(.+?)```", SECTIONS[question], flags=re.DOTALL)
    assert set(re.findall(r"`(\w+)`", tables)) == set(re.findall(r"reporting\.(\w+)", text))
    assert [name for name in re.findall(r"`(\w+)`", columns) if name not in text] == []
    assert re.findall(r"slice = '(\w+)'", text) == ([part] if part else [])


def test_each_query_runs_and_has_an_answer(database: Database) -> None:
    seed(database, PROJECT, Demo(1_500, 60, 120, seed=5, end=None, append=False))
    run_all(database)
    silent = []
    for question, section in SECTIONS.items():
        (text,) = re.findall(r"```sql\n(.+?)```", section, flags=re.DOTALL)
        if not query(database, text):
            silent.append(question)
    assert silent == ["Can I trust today's figures?"]  # nothing is late or wrong
