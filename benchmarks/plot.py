"""Draws what builds cost against how much history there is, from reports of `make bench`:

python -m benchmarks.plot A.json B.json > docs/scaling.svg

A figure that several reports have is that of the last one.
"""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

from benchmarks.compare import read

LINES = {
    "first build": "#2ca02c",
    "first load": "#9467bd",
    "harsh delta": "#8c564b",
    "typical delta": "#1f77b4",
    "typical delta, floor": "#9ecae1",
    "one late event": "#d62728",
    "one late event, floor": "#fcaeae",
    "a round with nothing new": "#7f7f7f",
}
WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 210, 30, 50
SECONDS = (0.1, 1, 10, 100, 1000)

Points = list[tuple[int, float]]


def points(files: list[Path]) -> dict[str, Points]:
    """Seconds of CPU by number of events, for each line."""
    found: dict[str, dict[int, float]] = {}
    for file in files:
        for what, figure in read(file).items():
            match = re.fullmatch(r"(.*), ([\d,]+) events", what)
            if match and match[1] in LINES:
                events = int(match[2].replace(",", ""))
                found.setdefault(match[1], {})[events] = float(figure["value"] or 0)
    return {line: sorted(found[line].items()) for line in LINES if line in found}


def svg(lines: dict[str, Points]) -> str:
    """A picture with two logarithmic scales."""
    counts = sorted({events for line in lines.values() for events, _ in line})
    if not counts:
        raise SystemExit("these reports have no figures of deltas")

    def x(events: int) -> float:
        share = math.log(events / counts[0]) / (math.log(counts[-1] / counts[0]) or 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(seconds: float) -> float:
        share = math.log(seconds / SECONDS[0]) / math.log(SECONDS[-1] / SECONDS[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12" role="img">',
        "<title>CPU against the number of events in the warehouse</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18">CPU of server and runner, seconds</text>',
    ]
    for seconds in SECONDS:
        height, right = y(seconds), WIDTH - RIGHT
        parts.append(f'<path d="M{LEFT} {height:.1f}H{right}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{LEFT - 8}" y="{height + 4:.1f}" text-anchor="end">{seconds}</text>'
        )
    for events in counts:
        place = f'x="{x(events):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle"'
        parts.append(f"<text {place}>{events:,}</text>")
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 10}">events in the warehouse</text>')
    for line, found in lines.items():
        places = [f"{x(events):.1f} {y(seconds):.1f}" for events, seconds in found]
        stroke = f'stroke="{LINES[line]}" stroke-width="2" fill="none"'
        if line.endswith("floor"):
            stroke += ' stroke-dasharray="4 3"'
        parts.append(f'<path d="M{"L".join(places)}" {stroke}/>')
        for place in places:
            across, down = place.split()
            parts.append(f'<circle cx="{across}" cy="{down}" r="3" fill="{LINES[line]}"/>')
        events, seconds = found[-1]
        label = f"{line}, {seconds:.2f} s"
        parts.append(f'<text x="{x(events) + 8:.1f}" y="{y(seconds) + 4:.1f}">{label}</text>')
    return "\n".join([*parts, "</svg>"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reports", type=Path, nargs="+")
    print(svg(points(parser.parse_args().reports)))


if __name__ == "__main__":
    main()
