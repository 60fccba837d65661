"""Renders what `docs` writes: a page of all tables, without requests, or a diagram in DBML."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from runner.database import ledger
from runner.database.session import Database, Row
from runner.errors import UsageError
from runner.pages.docs.catalogue import Catalogue, family, read
from runner.pages.docs.columns import project_lineage
from runner.pages.docs.expressions import ROWS, TableColumn
from runner.pages.docs.layers import layers, reduced
from runner.pages.html import digest, fill, static
from runner.project.lineage import lineage
from runner.project.manifest import Manifest, Script
from runner.project.scripts import header, is_warning, leading_comment

METRICS = Path("docs", "metrics.md")
# The page, and the language of dbdiagram.io.
FORMS = (".html", ".dbml")
# In the order in which data flow: title, what the tables are, and the families of tables in it.
SECTIONS = (
    ("Sources", "Tables that applications write, or that files are loaded into.", ("source",)),
    ("Replicas", "Copies of the source tables, with the run that loaded each row.", ("replica",)),
    (
        "Warehouse",
        "Facts, dimensions and aggregates, by name.",
        ("aggregate", "event", "dimension", "fact"),
    ),
    ("Reporting", "Reports: pre-aggregated, without user ids.", ("report",)),
    ("Orchestrator", "Pipelines, runs and the results of checks.", ("ledger",)),
)


def documents(database: Database, manifest: Manifest, files: Sequence[Path]) -> Mapping[Path, str]:
    """Return the text of each file, of the kind that its ending says, all from one snapshot."""
    for file in files:
        if file.suffix not in FORMS:
            raise UsageError(f"{file} ends in none of {', '.join(FORMS)}", "docs -o docs.html")
    with database.session("milepost docs") as session, session.transaction():
        ledger.require(session)
        session.run("set transaction read only")
        found = read(session, manifest)
    keys = {table.name: table.key for table in found.tables}
    dbml = {"tables": found.tables, "references": found.references, "keys": keys}
    return {
        file: page(manifest, found) if file.suffix == ".html" else fill("schema.dbml", **dbml)
        for file in files
    }


def page(manifest: Manifest, found: Catalogue) -> str:
    """Return the whole page. The same content gives the same bytes."""
    replicas = [(row["source"], row["replica"]) for row in found.pipelines]
    flow = lineage(manifest, replicas)
    edges = reduced(flow.edges)
    known = {table.name: [column["name"] for column in table.columns] for table in found.tables}
    style, script = static("docs.css"), static("docs.js")
    metrics = _metrics(manifest.project / METRICS)
    leads: dict[str, dict[str, str]] = {table.name: {} for table in found.tables}
    for reference in found.references:
        leads[reference.table][reference.columns[0]] = reference.to
    return fill(
        "docs.html",
        database=found.database,
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}';"
        " base-uri 'none'; form-action 'none'",
        layers=[
            (title, purpose, [table for table in found.tables if family(table.name) in families])
            for title, purpose, families in SECTIONS
        ],
        leads=leads,
        scripts=manifest.scripts,
        fillers=manifest.fillers(),
        stories={
            key: _story(manifest, script, found.checks) for key, script in manifest.scripts.items()
        },
        flow=flow,
        drawing=layers(flow.needs, edges),
        nearest={
            table: [anchor(start) for start, end in edges if end == table] for table in flow.needs
        },
        pipelines=found.pipelines,
        replicas={row["replica"]: row for row in found.pipelines},
        built=found.built,
        last=max(
            found.built.values(), key=lambda row: (row["build"], row["built_at"]), default=None
        ),
        metrics=metrics,
        explained=set(re.findall(r'id="metrics-([a-z0-9_]+)"', metrics)),
        anchor=anchor,
        column_anchor=column_anchor,
        family=family,
        columns=project_lineage(manifest, known, replicas),
        written=_written,
    )


def anchor(table: str) -> str:
    """Return the id of a table on the page: its name where that is plain."""
    if re.fullmatch(r"[\w.]+", table, flags=re.ASCII):
        return table
    return "table-" + hashlib.sha256(table.encode()).hexdigest()[:12]


def column_anchor(table: str, column: str) -> str:
    """Return the id of a column on the page, which no table has."""
    return f"column-{anchor(f'{table}.{column}')}"


def _written(column: TableColumn) -> str:
    """Write a column with its table, or `rows of` the table if these are counted."""
    table, name = column
    return f"rows of {table}" if name == ROWS else f"{table}.{name}"


def _story(manifest: Manifest, script: Script, results: Mapping[str, Row]) -> Mapping[str, Any]:
    """Return what the template shows of a script, with its checks and observations."""
    text = manifest.read(script.path)
    checks = [_query(manifest, path, ".check.sql") for path in script.checks]
    for check in checks:
        last = results.get(check["name"])
        effect = "warns" if is_warning(check["text"]) else "stops the build"
        result = f"last result: {last['status']}" if last else "has not run yet"
        check["status"] = f"{effect}; {result}"
    observations = [_query(manifest, path, ".observe.sql") for path in script.observations]
    story = {"path": script.path, "header": header(text), "text": text}
    return {**story, "checks": checks, "observations": observations}


def _query(manifest: Manifest, path: Path, ending: str) -> dict[str, Any]:
    text, name = manifest.read(path), path.name.removesuffix(ending)
    lines = [line for line in leading_comment(text) if not line.startswith("Level:")]
    return {"name": name, "path": path, "purpose": " ".join(lines).strip(), "text": text}


def _metrics(file: Path) -> Markup:
    """Render docs/metrics.md. HTML in it is escaped; pictures, which are requests, are left out."""
    if not file.is_file():
        return Markup("")
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = markdown.parse(file.read_text(encoding="utf-8"))
    if tokens and tokens[0].tag == "h1":  # the page has a title for it
        del tokens[:3]
    for token, content in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and content:
            token.attrSet("id", f"metrics-{_slug(content.content)}")
        if token.type.startswith("heading_"):
            token.tag = f"h{min(int(token.tag[1:]) + 1, 6)}"
        for link in token.children or []:
            _keep_on_the_page(link)
    html = markdown.renderer.render(tokens, markdown.options, {})
    html = html.replace("<table>", '<div class="scroll" tabindex="0"><table>')
    return Markup(html.replace("</table>", "</table></div>"))


def _keep_on_the_page(token: Token) -> None:
    """Make a link to a heading lead to it on this page, and take away a link to another file."""
    target = str(token.attrGet("href") or "")
    if token.type == "link_open" and target.startswith("#"):
        token.attrSet("href", f"#metrics-{target[1:]}")
    elif token.type == "link_open" and not re.match("https?:", target):
        del token.attrs["href"]


def _slug(heading: str) -> str:
    """Name a heading as GitHub does."""
    return re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))
