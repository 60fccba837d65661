"""Reads the cards of a project: dashboard/NN_name.sql, with NN_name.vl.json for a chart."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import StartError
from runner.pages.dashboard.json_file import read_spec
from runner.project.files import read_text
from runner.project.scripts import leading_comment

FOLDER = Path("dashboard")
# The file about the page itself: its title, and the members of slices that it may show.
PAGE = "page"
# The words with which paragraphs of a header begin: docs/dashboard.md.
REQUIRED = ("Question", "Meaning")
WORDS = (*REQUIRED, "Empty", "Show", "Width", "Base", "Adds", "With", "Currency", "Columns")
SHOWS = ("table", "figures", "sentences")
# A chart in the place of its table, or beside it.
CHART_SHOWS = ("chart", "beside")
# Whether the figures of days add up to those of weeks and months. Those of users do not.
ADDS = ("up", "no")
WIDTHS = ("full", "half")
FORMS = ("text", "name", "number", "decimal", "percent", "money", "date", "time")
LOOKS = ("bar", "heat", "line", "across", "balance")
# The columns with the member of a slice that a row is of, and their value for all users.
SLICE = ("slice", "slice_value")
EVERYTHING = "all"
# Columns of `Show: figures`: a number, its earlier value, and which direction is good.
FIGURES = ("figure", "value", "form", "previous", "compared_with", "better", "trend")
# Columns of `Show: sentences`: words, a name with its change, more words, and where a click leads.
DRIVER, LINK = ("driver", "driver_slice", "share"), ("link_slice", "link_member", "card")
SENTENCES = ("before", "name", "change", "after", *DRIVER, *LINK)
HEADER_HINT = "a header is a title, then Question:, Meaning: and what docs/dashboard.md lists"
COLUMN_HINT = "one per line: share: Share, percent, bar"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a card, with the form of its values and the look of its cells."""

    name: str
    label: str
    form: str | None = None
    look: str | None = None

    @property
    def is_name(self) -> bool:
        """Whether its values are the names of something."""
        return self.form in ("text", "name")


@dataclass(frozen=True, slots=True)
class Card:
    """A query, the question that it answers, and how its rows are shown."""

    name: str
    path: Path
    sql: str
    title: str
    question: str
    meaning: str
    show: str
    width: str
    columns: Mapping[str, Column]
    spec: Mapping[str, Any] | None = None
    base: str | None = None
    currency: str = ""
    adds_up: bool = True
    withheld_with: str | None = None  # another card
    empty: str | None = None  # why there may be no rows

    @property
    def spec_path(self) -> Path:
        return self.path.with_suffix(".vl.json")

    @property
    def tables(self) -> list[str]:
        """The reporting tables that the query names."""
        text = re.sub(r"--.*", "", self.sql)
        return sorted(set(re.findall(r"\breporting\.[a-z_][a-z0-9_]*\b", text)))

    @property
    def scripts(self) -> list[str]:
        """The files that fill these tables, by the convention that a path is a name."""
        return [f"sql/{table.replace('.', '/')}.sql" for table in self.tables]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The cards, and the page file if there is one: its title, and the members that are shown."""

    page: Card | None
    cards: tuple[Card, ...]


def load(project: Path) -> Dashboard:
    """Read and check the files. Raises StartError for the first problem."""
    found, problems = inspect(project)
    if problems:
        raise problems[0]
    return found


def inspect(project: Path) -> tuple[Dashboard, list[StartError]]:
    """Return the cards that can be read, and a problem for each other; StartError without cards."""
    folder = project / FOLDER
    page = folder / f"{PAGE}.sql"
    files = sorted(path for path in folder.glob("*.sql") if path != page)
    if not files:
        hint = f"write one, {FOLDER}/10_name.sql: docs/dashboard.md says how"
        raise StartError(f"{FOLDER} has no cards", hint)
    problems: list[StartError] = []

    def read(file: Path) -> Card | None:
        try:
            return _card(project, file)
        except StartError as error:
            problems.append(error)
            return None

    cards = [card for path in files if (card := read(path))]
    names: dict[str, Card] = {}
    for card in cards:
        other = names.setdefault(card.name, card)
        if other is not card:
            twice = f"{card.path} and {other.path} are both named {card.name}"
            problems.append(StartError(twice, "rename one of them"))
    used = {path.with_suffix(".vl.json") for path in files}
    for path in sorted({*folder.glob("*.vl.json")} - used):
        hint = f"write {path.name.removesuffix('.vl.json')}.sql beside it"
        problems.append(StartError(f"{path.relative_to(project)} has no query", hint))
    return Dashboard(read(page) if page.is_file() else None, tuple(cards)), problems


def _card(project: Path, file: Path) -> Card:
    path = file.relative_to(project)
    found = re.fullmatch(r"(?:\d+_)?([a-z][a-z0-9_]*)", path.stem)
    if not found:
        hint = "name it 10_name.sql, in lower-case letters"
        raise StartError(f"{path} is not a name for a card", hint)
    sql = read_text(file, path)
    title, said = _header(sql, path)
    spec_file = file.with_suffix(".vl.json")
    spec = read_spec(spec_file, path.with_suffix(".vl.json")) if spec_file.is_file() else None

    def one_of(word: str, known: tuple[str, ...]) -> str:
        value = said.get(word, known[0])
        if value not in known:
            hint = f"{word}: {' or '.join(known)}"
            raise StartError(f"{path}: {word}: {value} is not known", hint)
        return value

    return Card(
        name=found[1],
        path=path,
        sql=sql,
        title=title,
        question=said["Question"],
        meaning=said["Meaning"],
        show=one_of("Show", SHOWS if spec is None else CHART_SHOWS),
        width=one_of("Width", WIDTHS),
        columns={column.name: column for column in _columns(said.get("Columns", ""), path)},
        spec=spec,
        base=said.get("Base"),
        currency=said.get("Currency", ""),
        adds_up=one_of("Adds", ADDS) == "up",
        withheld_with=said.get("With"),
        empty=said.get("Empty"),
    )


def _header(sql: str, path: Path) -> tuple[str, dict[str, str]]:
    """Return the title, and the paragraphs by their word; Columns keep their lines."""
    lines = leading_comment(sql)
    title = lines[0].strip() if lines else ""
    if not title:
        raise StartError(f"{path}:1: no title", HEADER_HINT)
    said: dict[str, str] = {}
    word = ""
    for number, line in enumerate(lines[1:], 2):
        text = line.strip()
        if begin := re.match(r"([A-Z]\w*):(?: +|$)(.*)", line):
            word = begin[1]
            if word not in WORDS or word in said:
                fault = "appears twice" if word in said else f"is not one of {', '.join(WORDS)}"
                raise StartError(f"{path}:{number}: {word}: {fault}", HEADER_HINT)
            said[word] = begin[2].strip()
        elif not word:
            raise StartError(f"{path}:{number}: {text!r} comes before Question:", HEADER_HINT)
        elif text:
            joint = "\n" if word == "Columns" else " "
            said[word] = f"{said[word]}{joint}{text}".strip()
    for word in REQUIRED:
        if not said.get(word):
            raise StartError(f"{path}:1: no {word}:", HEADER_HINT)
    return title, said


def _columns(text: str, path: Path) -> Iterator[Column]:
    """Read lines of the form `name: Label, form, look`."""
    for line in text.splitlines():
        found = re.fullmatch(r"([a-z_][a-z0-9_]*): ([^,]+)((?:, [a-z]+)*)", line)
        if not found:
            raise StartError(f"{path}: Columns: {line!r} cannot be read", COLUMN_HINT)
        words = found[3].split(", ")[1:]
        forms = [word for word in words if word in FORMS]
        looks = [word for word in words if word in LOOKS]
        if len(forms) > 1 or len(looks) > 1 or len(forms) + len(looks) < len(words):
            most = f"one of {', '.join(FORMS)} and one of {', '.join(LOOKS)} at most"
            raise StartError(f"{path}: Columns: {line!r}: {most}", COLUMN_HINT)
        yield Column(found[1], found[2], *(forms or [None]), *(looks or [None]))
