"""The arithmetic of docs/scaling.md: what is on paper follows from what was measured."""

from __future__ import annotations

from tests.support import PROJECT

TEXT = (PROJECT / "docs/scaling.md").read_text(encoding="utf-8")


def table(header: str) -> dict[int, list[float]]:
    """The figures of a table, by the number of events."""
    lines = TEXT[TEXT.index(header) :].splitlines()[2:]
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        events, *figures = (cell.strip().replace(",", "") for cell in line.strip("|").split("|"))
        found[int(events)] = [float(figure) for figure in figures]
    return found


def test_what_is_on_paper_follows_from_what_was_measured() -> None:
    measured, deltas = table("| events | first load, s"), table("| events | nothing new, s")
    largest = max(measured)
    load, build, *layers = measured[largest]
    growth = round(deltas[largest][1] / deltas[largest // 10][1], 2)
    assert f"{growth} times as much" in TEXT
    assert f"{sum(layers):.2f} bytes" in TEXT
    paper = table("| events | disk, GB")
    delta = deltas[largest][1]
    size = largest
    while size < max(paper):
        size *= 10
        delta *= growth
        if size in paper:
            times = size / largest
            wanted = [sum(layers) * size / 1e9, load * times / 3600, build * times / 3600, delta]
            for said, exact in zip(paper[size], wanted, strict=True):
                assert abs(said - exact) <= max(0.005, 0.05 * exact), (size, said, exact)
