"""The dashboard: whole, inert, of one snapshot, and honest about what is not there."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runner.database.session import Database, QueryFailed
from runner.errors import RunnerError, StartError
from runner.pages.dashboard.check import check
from runner.pages.dashboard.data import read
from runner.pages.dashboard.page import page, policy, render, write
from runner.pages.dashboard.serve import HOST, NewestPage, listen
from tests.support import PROJECT, earn, event, insert_events, query, run_all
from tests.support.commands import assert_refused, command
from tests.support.pages import HOSTILE, Page, data_of, decoded

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
CARD = """\
-- Days
-- Question: How many?
-- Meaning:  Users of the day.

select kpi.day, kpi.dau from reporting.kpi_daily as kpi order by kpi.day
"""


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """A copy of the cards, to be broken."""
    shutil.copytree(PROJECT / "dashboard", tmp_path / "dashboard")
    return tmp_path


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """A project of one card."""
    (tmp_path / "dashboard").mkdir()
    (tmp_path / "dashboard" / "10_days.sql").write_text(CARD)
    return tmp_path


@pytest.fixture
def crowd(built: Database) -> Database:
    """Thirty days of three users, and six more on the first: of three alone, nothing is shown."""
    insert_events(built, [event(0, f"w_{user}") for user in range(6)])
    run_all(built)
    return built


def rows_of(text: str, card: str) -> list[dict[str, Any]]:
    return decoded(data_of(text)["cards"][card]["data"])


# --- what is on it --------------------------------------------------------------------------------


def test_each_card_is_there_with_its_rows_as_the_query_gives_them(crowd: Database) -> None:
    text = render(crowd, PROJECT)
    found = Page(text)
    for card in read(crowd, PROJECT).results:
        assert f"card-{card.card.name}" in found.ids
        assert rows_of(text, card.card.name) == list(card.rows)
    days = rows_of(text, "active_users")
    table = query(
        crowd, "select dau from reporting.active_users_daily where slice = 'all' order by day"
    )
    assert [row["dau"] for row in days if row["slice"] == "all"] == [row["dau"] for row in table]


def test_it_is_whole_and_asks_nobody_for_anything(crowd: Database) -> None:
    text = page(read(crowd, PROJECT), NOON)
    found = Page(text)
    assert "Weekly users" in found.texts["card-headlines"]
    for name in ("active_users", "growth_accounting"):
        assert re.search(r"\d (Dec|Jan) 202\d", found.texts[f"card-{name}"]), name
    assert not set(found.values("src")) and not [
        link for link in found.values("href") if not link.startswith("#")
    ]
    assert [tag for tag, _ in found.elements if tag in ("link", "iframe", "img", "object")] == []
    assert policy() in found.values("content")
    assert not re.search(r"url\((?!#)", text.partition("</style>")[0])
    assert page(read(crowd, PROJECT), NOON) == text
    later = page(read(crowd, PROJECT), NOON.replace(hour=13))
    assert later.replace("13:00", "12:00") == text
    assert len(text.encode()) < 1_500_000
    assert len(found.elements) < 3_000


def test_names_of_others_are_text(database: Database, no_margin: None) -> None:
    names = [HOSTILE, "=1+1", "</script><img src=x onerror=alert(1)>"]
    insert_events(
        database,
        [
            {**earn(day, f"u_{user}", miles=5), "transaction_category": name, "utm_source": name,
             "country": name, "platform": name}
            for user, name in enumerate(names * 5)
            for day in (0, 9)
        ],
    )  # fmt: skip
    run_all(database)
    text = render(database, PROJECT)
    found = Page(text)
    assert [tag for tag, _ in found.elements if tag == "script"] == ["script"] * 4
    assert [name for _, each in found.elements for name in each if name.startswith("on")] == []
    assert {row["utm_source"] for row in rows_of(text, "acquisition")} == set(names)


def test_members_that_few_users_have_are_left_out(database: Database, no_margin: None) -> None:
    rare = [event(0, f"u_{user}", country="AQ") for user in range(4)]
    common = [event(0, f"v_{user}", country="SG") for user in range(5)]
    insert_events(database, rare + common)
    run_all(database)
    text = render(database, PROJECT)
    assert {row["slice_value"] for row in rows_of(text, "active_users")} == {"all", "SG", "ios"} | {
        row["slice_value"] for row in rows_of(text, "active_users") if row["slice"] == "utm_source"
    }
    assert "AQ" not in json.dumps(data_of(text))


def read_until(database: Database, moment: str) -> None:
    """Let the sources have been read so far only."""
    query(
        database,
        "update orchestrator.runs set high = %(moment)s where high > %(moment)s",
        moment=moment,
    )


# --- honest states --------------------------------------------------------------------------------


def test_an_empty_warehouse_says_so(database: Database, no_margin: None) -> None:
    run_all(database)
    said = Page(render(database, PROJECT)).texts
    assert "No data yet." in said["card-active_users"]
    assert "none yet" in said["standing"]
    assert "succeeded" in said["card-runs"]


def test_before_the_first_build_the_tables_are_told(database: Database) -> None:
    said = Page(render(database, PROJECT)).texts
    assert "never loaded" in said["standing"]


def test_a_table_that_is_missing_is_told_with_what_fills_it(
    database: Database, single: Path
) -> None:
    card = CARD.replace("kpi_daily", "kpi_hourly")
    (single / "dashboard" / "10_days.sql").write_text(card)
    said = Page(render(database, single)).texts["card-days"]
    assert 'relation "reporting.kpi_hourly" does not exist' in said
    assert "sql/reporting/kpi_hourly.sql fills it" in said


def test_a_failed_check_leads_to_the_checks(built: Database) -> None:
    query(
        built,
        "update orchestrator.check_results set status = 'failed', bad_rows = 1 where check_name = 'growth_accounting'",
    )
    found = Page(render(built, PROJECT))
    assert "1 check failed" in found.texts["status"]
    assert "#card-checks" in found.values("href")


@pytest.mark.parametrize("is_over", [True, False])
def test_headlines_are_of_the_last_day_that_is_over(
    database: Database, no_margin: None, is_over: bool
) -> None:
    """3 January is over when the sources were read far enough beyond it."""
    crowd = [event(day, f"u_{user}") for user in range(10) for day in (0, 1)]
    late = [event(2, f"v_{user}", country="ID") for user in range(5)]
    insert_events(database, [*crowd, *late, earn(2, "u_1", miles=5)])
    run_all(database)
    shown: dict[str, Any] = {
        "over": ("3 Jan 2026", 15), "ID": "3 Jan 2026", "places": {"SG": 10, "ios": 15, "ID": 5}
    }  # fmt: skip
    if not is_over:
        read_until(database, "2026-01-04 11:59:59+00")
        shown = {"over": ("2 Jan 2026", 10), "ID": "3 Jan 2026, so far",
                 "places": {"SG": 10, "ios": 10, "ID": None}}  # fmt: skip
    text = render(database, PROJECT)
    found = {
        (row["slice_value"], row["figure"]): (row["value"], row["as_of"])
        for row in rows_of(text, "headlines")
    }
    assert query(
        database,
        "select dau, mau, stickiness from reporting.kpi_daily where slice = 'all' order by day",
    )[1:] == [
        {"dau": 10, "mau": 10, "stickiness": None},
        {"dau": 6, "mau": 15, "stickiness": None},
    ]
    day, before = shown["over"]
    assert found["all", "Stickiness"] == (None, day)
    assert found["all", "Weekly users"] == (before, day)
    assert found["all", "Monthly users, 28 days"] == (before, day)
    assert found["all", "Daily users, 7-day mean"][1] == day
    assert found["ID", "Weekly users"] == (5, shown["ID"])
    drawn = [row["is_complete"] for row in rows_of(text, "active_users") if row["slice"] == "all"]
    assert drawn == [True, True, is_over]
    # So do the week and month that no event has followed, once they ended: who was lost is unknown.
    growth = [row for row in rows_of(text, "growth_accounting") if row["slice"] == "all"]
    ended = {(row["grain"], row["is_complete"]) for row in growth if row["churned_users"] is None}
    assert ended == {(grain, is_over) for grain in ("day", "week", "month")}
    of_day = [row["as_of"] for row in rows_of(text, "categories") if row["grain"] == "day"]
    assert of_day == (["3 Jan 2026"] if is_over else [])
    running = [row for row in rows_of(text, "places") if row["range"] == "all"]
    assert {row["member"]: row["users"] for row in running} == shown["places"]


def test_one_day_is_a_page(database: Database, no_margin: None) -> None:
    insert_events(database, [earn(0, f"u_{user}", miles=5) for user in range(3)])
    run_all(database)
    text = render(database, PROJECT)
    assert "\u2013" in Page(text).texts["card-headlines"]
    assert "1 Jan 2026" in Page(text).texts["card-headlines"]
    assert "2026, so far" not in Page(text).texts["card-headlines"]  # it was loaded long after
    assert not re.search(r"\b(NaN|None|undefined|Infinity)\b", "".join(Page(text).texts["main"]))


# --- reading --------------------------------------------------------------------------------------


def test_a_card_can_write_nothing(database: Database, single: Path) -> None:
    (single / "dashboard" / "10_days.sql").write_text(
        CARD.partition("select")[0] + "delete from reporting.kpi_daily returning day, dau"
    )
    with pytest.raises(QueryFailed, match="read-only transaction"):
        read(database, single)


def test_a_query_that_fails_is_told_with_its_line(database: Database, single: Path) -> None:
    (single / "dashboard" / "10_days.sql").write_text(CARD.replace("kpi.dau", "kpi.dua"))
    done = command("--project", str(single), "dashboard", database=database)
    assert_refused(done, 1, "dashboard/10_days.sql:5: column kpi.dua does not exist")


def test_the_file_is_private_and_written_whole(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "pages" / "report.html"
    file.parent.mkdir()
    write(database, PROJECT, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["report.html"]
    done = command("dashboard", "-o", str(file), database=database)
    assert (done.returncode, done.stdout) == (0, f"dashboard: {file.as_uri()}\n")


def test_without_cards_or_schema_there_is_nothing_to_start(
    empty_database: Database, tmp_path: Path
) -> None:
    done = command("--project", str(tmp_path), "dashboard", database=empty_database)
    assert_refused(done, 3, "dashboard has no cards")
    done = command("dashboard", "-o", str(tmp_path / "x.html"), database=empty_database)
    assert_refused(done, 3, "no orchestrator schema")
    assert not (tmp_path / "x.html").exists()


# --- --check --------------------------------------------------------------------------------------


def test_the_cards_that_ship_show_what_they_say(database: Database) -> None:
    count, problems = check(database, PROJECT)
    assert problems == []
    assert count > 10


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("20_active_users.sql", "activity.dau,", "activity.dua,", "20_active_users.sql:88: column activity.dua does not exist"),
        ("20_active_users.sql", "dau: Daily", "daw: Daily", "Columns: daw is not a column of the query"),
        ("20_active_users.sql", "reporting.active", "warehouse.active", "reads warehouse.active_users_daily: cards read only reporting"),
        ("20_active_users.sql", "activity.day;", "activity.day; select 1;", "is not one query"),
        ("30_growth_accounting.sql", "    growth.slice,\n", "    growth.slice as part,\n", "slice and slice_value belong together"),
        ("20_active_users.sql", "select", "selec", "20_active_users.sql"),
        ("20_active_users.vl.json", '"mau", "wau", "dau"], "as"', '"mau", "wau", "dua"], "as"', ": dua is neither"),
        ("10_headlines.sql", "as compared_with", "as beside", "Show: figures needs a column compared_with"),
        ("page.sql", "growth.slice_value,\n    sum", "growth.slice_value as member,\n    sum", "belong together"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_card_is_told(
    database: Database, cards: Path, file: str, old: str, new: str, said: str
) -> None:
    path = cards / "dashboard" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    _, problems = check(database, cards)
    assert any(said in problem for problem in problems), problems


def test_the_command_says_what_is_wrong(database: Database, single: Path) -> None:
    done = command("--project", str(single), "dashboard", "--check", database=database)
    assert (done.returncode, done.stdout) == (0, "dashboard: 1 card, no problems\n")
    (single / "dashboard" / "10_days.sql").write_text(CARD.replace("kpi_daily", "kpi_hourly"))
    done = command("--project", str(single), "dashboard", "--check", database=database)
    assert_refused(done, 1, "1 problem")
    assert "created by sql/reporting/kpi_hourly.sql" in done.stdout


def test_all_files_that_are_wrong_are_told_with_their_lines(
    database: Database, single: Path
) -> None:
    folder = single / "dashboard"
    (folder / "10_days.vl.json").write_text('{"data": {"name": "rows"},\n"mark": "bra"}')
    for number, text in ((20, '{"data":\n{"name": "rows"},\n}'), (30, '{"data"')):
        (folder / f"{number}_more{number}.sql").write_text(CARD)
        (folder / f"{number}_more{number}.vl.json").write_text(text)
    words = ("--project", str(single), "dashboard")
    done = command(*words, "--check", database=database)
    assert_refused(done, 1, "3 problems")
    assert done.stdout.splitlines()[-3:] == [
        "dashboard/20_more20.vl.json:2: a comma too many",
        "dashboard/30_more30.vl.json:1: the file ends too early: a bracket or quote is missing",
        "dashboard/10_days.vl.json:2: mark bra is not known; did you mean bar?",
    ]
    done = command(*words, "-o", str(single / "x.html"), database=database)
    assert_refused(done, 3, "dashboard/20_more20.vl.json:2: a comma too many")


# --- --serve --------------------------------------------------------------------------------------


@contextmanager
def served(page: NewestPage) -> Iterator[int]:
    server = listen(page, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(
    port: int, path: str = "/", method: str = "GET", host: str | None = None, **headers: str
) -> Any:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers={"Host": host or f"{HOST}:{port}", **given})
    answer = connection.getresponse()
    answer.content = answer.read()  # type: ignore[attr-defined]
    is_packed = answer.getheader("Content-Encoding") == "gzip"
    content = gzip.decompress(answer.content) if is_packed else answer.content  # type: ignore[attr-defined]
    answer.body = content.decode()  # type: ignore[attr-defined]
    connection.close()
    return answer


def test_what_is_served_is_the_page_to_this_machine_alone(database: Database, single: Path) -> None:
    with served(NewestPage(database, single)) as port:
        answer = ask(port)
        assert answer.status == 200
        assert answer.getheader("Content-Security-Policy") == policy(served=True)
        assert "frame-ancestors 'none'" in answer.getheader("Content-Security-Policy")
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert answer.getheader("Referrer-Policy") == "no-referrer"
        assert "card-days" in answer.body
        assert ask(port, host=f"localhost:{port}").status == 200
        assert ask(port, host="example.org").status == 403
        assert ask(port, host=f"example.org:{port}").status == 403
        assert ask(port, "/dashboard/10_days.sql").status == 404
        assert ask(port, "/../setup.cfg").status == 404
        assert ask(port, method="POST").status == 501
        with pytest.raises(StartError, match="already in use"):
            listen(NewestPage(database, single), port)


def test_a_page_is_sent_compressed_once_and_without_its_body_to_who_asks_so(
    database: Database, single: Path
) -> None:
    with served(NewestPage(database, single)) as port:
        full = ask(port)
        assert full.getheader("Content-Encoding") is None
        for accepted in ("gzip", "deflate, gzip;q=0.5, br", "*", "GZIP"):
            packed = ask(port, Accept_Encoding=accepted)
            assert packed.getheader("Content-Encoding") == "gzip", accepted
            assert packed.body == full.body
            assert len(packed.content) == int(packed.getheader("Content-Length"))
            assert len(packed.content) < len(full.content) * 0.8
        for refused in ("gzip;q=0", "br", "identity", "gzip;q=0.0, *", "nonsense;;=,"):
            assert ask(port, Accept_Encoding=refused).getheader("Content-Encoding") is None, refused
        assert full.getheader("Vary") == "Accept-Encoding"
        assert full.getheader("Cache-Control") == "private, no-cache"
        tag = full.getheader("ETag")
        assert tag and tag == packed.getheader("ETag")
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            again = ask(port, If_None_Match=known)
            assert (again.status, again.content) == (304, b""), known
            assert again.getheader("ETag") == tag
            assert again.getheader("Content-Security-Policy")
        assert ask(port, If_None_Match='W/"other"').status == 200
        head = ask(port, method="HEAD")
        assert (head.status, head.content) == (200, b"")
        assert head.getheader("Content-Length") == str(len(full.content))
        assert head.getheader("ETag") == tag
        assert ask(port, method="HEAD", host="example.org").status == 403
        assert ask(port, "/x", method="HEAD").status == 404


def test_an_edited_card_is_seen_at_once_and_a_broken_one_is_told_once(
    database: Database, single: Path
) -> None:
    told: list[RunnerError] = []
    pages = NewestPage(database, single, told.append)
    card = single / "dashboard" / "10_days.sql"
    first = pages.current()
    card.write_text(CARD.replace("-- Days", "-- Edited days"))
    second = pages.current()
    assert b"Edited days" in second.plain and second.tag != first.tag
    spec = card.with_suffix(".vl.json")
    spec.write_text('{"data": {"name": "rows"},}')
    assert pages.current() is second and pages.current() is second
    assert [error.message for error in told] == ["dashboard/10_days.vl.json:1: a comma too many"]
    assert all(error.hint for error in told)
    spec.unlink()
    assert b"Edited days" in pages.current().plain
    (single / "dashboard" / "20_more.sql").write_text(CARD)
    assert b"card-more" in pages.current().plain


def test_it_is_renewed_after_a_build_and_only_then(
    built: Database, single: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = NewestPage(built, single)
    first = pages.current()
    query(
        built,
        "insert into orchestrator.runs (kind, target, status, host, finished_at)"
        " values ('build', 'live', 'failed', 'x', now())",
    )
    assert pages.current() is first
    insert_events(built, [earn(60, "u_9", miles=1)])
    run_all(built)
    second = pages.current()
    assert len(rows_of(second.plain.decode(), "days")) > len(rows_of(first.plain.decode(), "days"))
    assert pages.current() is second
    (single / "dashboard" / "10_days.sql").write_text("no header")
    insert_events(built, [earn(61, "u_9", miles=1)])
    run_all(built)
    assert pages.current() is second  # until the card is mended


def test_the_page_names_the_reports_that_stay_behind_and_since_when(
    built: Database, tmp_path: Path
) -> None:
    assert "stay behind" not in render(built, PROJECT)
    query(built, "alter table public.utm_campaigns rename to lent_out")
    file = tmp_path / "page.html"
    insert_events(built, [earn(31, "late riser", 70)])
    done = command("run-all", "--dashboard", str(file), database=built)
    assert done.returncode == 1
    said = re.findall(r'<p class="notice behind">(.*?)</p>', file.read_text())
    assert len(said) == 1
    assert "No new rows of utm_campaigns since <time datetime=" in said[0]
    assert ": acquisition stay behind." in said[0]


def test_the_page_of_another_target_shows_what_was_built_there(
    crowd: Database, tmp_path: Path
) -> None:
    build = command("build", "--target", "dev", database=crowd)
    assert build.returncode == 0, build.stderr
    query(
        crowd,
        "update dev_reporting.active_users_daily set dau = 4711 where slice = 'all' and day = '2026-01-03'",
    )
    pages = {}
    for target in ("live", "dev"):
        file = tmp_path / f"{target}.html"
        done = command("dashboard", "--target", target, "-o", str(file), database=crowd)
        assert done.returncode == 0, done.stderr
        pages[target] = json.dumps(data_of(file.read_text()))
    assert "4711" in pages["dev"]
    assert "4711" not in pages["live"]


def test_a_file_of_one_member_is_written_for_everybody_or_refused(
    database: Database, no_margin: None, tmp_path: Path
) -> None:
    insert_events(database, [event(0, f"u_{user}", country="SG") for user in range(5)])
    run_all(database)
    file = tmp_path / "page.html"
    for only, said in (
        ("country=XX", "the page shows no country XX"),
        ("country=sg", "did you mean SG?"),
        ("contry=SG", "did you mean country?"),
        ("SG", "--only SG is not a slice and a member"),
        ("country=", "--only country= is not a slice and a member"),
    ):
        done = command("dashboard", "--only", only, "-o", str(file), database=database)
        assert_refused(done, 2, said)
    words = ("dashboard", "--only", "country=SG")
    assert_refused(command(*words, "--serve", database=database), 2, "--only cannot be used with")
    assert not file.exists()
    done = command(*words, "--mode", "0644", "-o", str(file), database=database)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert data_of(file.read_text())["only"] == ["country", "SG"]
