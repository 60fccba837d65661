"""Compares two reports of `make bench`: python -m benchmarks.compare BEFORE.json AFTER.json"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

# Smaller changes are noise on a machine that does other things too.
NOISE = 0.1


def read(file: Path) -> dict[str, dict[str, float | str | None]]:
    found = json.loads(file.read_text(encoding="utf-8"))
    return {figure["what"]: figure for figure in found["figures"]}


def compare(before: Path, after: Path) -> list[str]:
    """A line for each figure that both have: before, after, their ratio, and a word on it."""
    old, new = read(before), read(after)
    lines = [f"{'':<44} {before.stem:>12} {after.stem:>12}   ratio"]
    for what in (name for name in new if name in old):
        left, right = float(old[what]["value"] or 0), float(new[what]["value"] or 0)
        ratio = right / left if left else float("nan")
        word = "faster" if ratio < 1 - NOISE else "slower" if ratio > 1 + NOISE else ""
        lines.append(f"{what:<44} {left:12,.3f} {right:12,.3f} {ratio:7.2f}  {word}".rstrip())
    for what in sorted(old.keys() ^ new.keys()):
        lines.append(f"{what:<44} only in {before.stem if what in old else after.stem}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    asked = parser.parse_args()
    print("\n".join(compare(asked.before, asked.after)))


if __name__ == "__main__":
    main()
