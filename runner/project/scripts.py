"""Reads the text of scripts by patterns, without a parser."""

import re
from functools import lru_cache

PLACEHOLDER = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
WARNING = "-- Level: warn"
# run-all in a loop reads the same texts in each round.
remembered = lru_cache(maxsize=4096)


@remembered
def without_comments(text: str) -> str:
    """Drop the lines that are only comments, except the level of a check."""
    return "\n".join(
        line
        for line in text.splitlines()
        if line.startswith("-- Level:") or not line.lstrip().startswith("--")
    )


def is_warning(text: str) -> bool:
    """Whether the header of a check says that it warns instead of blocking the build."""
    return WARNING in text


@remembered
def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


def names_column(text: str, column: str) -> bool:
    """Whether a text may read a column of its tables: by its name, or by a star."""
    return (
        column in words(text.lower())
        or f'"{column}"' in text
        or re.search(r"\bselect\s+\*|,\s*\*|\w\.\*", text, re.IGNORECASE) is not None
    )


@remembered
def words_filled_in(text: str) -> frozenset[str]:
    """Return the words in placeholders. Elsewhere, the name of a variable may be a column."""
    return words(" ".join(PLACEHOLDER.findall(text)))


def functions_created(text: str) -> set[str]:
    return set(re.findall(r"create (?:or replace )?function \{\{ \w+ \}\}\.(\w+)", text))


def tables_created(text: str) -> list[str]:
    """Return the tables that a file of DDL creates under fixed names, as it spells them."""
    return re.findall(r"(?m)^\s*create table (?:if not exists )?([a-z0-9_.]+)", text)


def deletes_rows(text: str) -> bool:
    """Whether a script deletes rows of its own table, instead of computing it whole."""
    return re.search(r"delete from \{\{ this \}\}", text) is not None


def days_within(text: str) -> frozenset[str]:
    """Return the tables of changes to whose months a script limits its lookups."""
    return frozenset(re.findall(r"\{\{ within\.(\w+) \}\}", text))


def merged_tables(text: str) -> set[str]:
    """Return which of its tables, `this` and `state`, a script merges into with `on conflict`."""
    parts = re.split(r"insert into \{\{ (this|state) \}\}", text)
    return {
        name for name, rest in zip(parts[1::2], parts[2::2], strict=True) if "on conflict" in rest
    }


def is_change_set(text: str, change_sets: set[str]) -> bool:
    """Whether a script empties its table and fills it with what is new, in full builds too: rows
    after the position of a pipeline, or rows of other change sets alone.
    """
    in_full = "\n".join(
        line for line in text.splitlines() if not re.match(r"\s*(--|\{\{ incremental \}\})", line)
    )
    empties = re.search(r"delete from \{\{ this \}\}( as \w+)?\s*;", text)
    asks = re.search(r"\{\{ (after|through)\b", in_full)
    reads = {".".join(names) for names in re.findall(r"\{\{ (\w+) \}\}[.](\w+)", in_full)}
    return bool(empties and (asks or reads <= change_sets))


def leading_comment(text: str) -> list[str]:
    """Return the lines of the comment at the start of a text, without `--`."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").removeprefix(" "))
    return lines


def header(text: str) -> dict[str, str]:
    """Return the paragraphs of a header by label, such as Grain, or one by an empty label."""
    lines, paragraphs = leading_comment(text), dict[str, str]()
    for line in lines:
        if found := re.match(r"(\w+): +(.+)$", line):
            paragraphs[found[1]] = found[2]
        elif paragraphs:
            paragraphs[list(paragraphs)[-1]] += f" {line.strip()}"
    return paragraphs or {"": " ".join(lines)} if lines else {}
