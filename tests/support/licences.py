"""The licences of what Milepost installs and ships, and of the tools that test it.

`make licences` lists them, and fails on one that nobody has allowed.
"""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
CHARTS = ROOT / "runner/pages/charts/LICENSES"
# What a user of Milepost may have to keep to. LGPL and MPL: psycopg and certifi are imported, and
# not changed.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "LGPL-3.0-only",
    "MIT",
    "MPL-2.0",
    "PSF-2.0",
    "PostgreSQL",
}
# Tools are not shipped.
ALLOWED_TOOLS = ALLOWED | {"CC0-1.0", "CNRI-Python", "LGPL-3.0-or-later", "Zlib"}
# As classifiers and older fields call them.
NAMES = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}

# Their metadata say nothing; their licence files do.
READ = {"axe-playwright-python": "MIT"}


@dataclass(frozen=True, order=True)
class Licensed:
    """A package; `use` is installed, shipped (in the wheel of Milepost) or tool."""

    use: str
    name: str
    version: str
    licence: str

    @property
    def is_allowed(self) -> bool:
        """Whether one of the alternatives has nothing but allowed parts."""
        allowed = ALLOWED_TOOLS if self.use == "tool" else ALLOWED
        return any(
            all(part.strip("() ") in allowed for part in re.split(r"\band\b", each, flags=re.I))
            for each in re.split(r"\bor\b", self.licence, flags=re.I)
        )


def found() -> list[Licensed]:
    """Every package, those that are installed first."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    asked = config["options"]["install_requires"].split("\n")
    asked += [line for name in extras if name != "dev" for line in extras[name].split("\n")]
    installed = _closure(asked)
    tools = _closure(extras["dev"].split("\n")) - installed
    return sorted(
        [
            *(_licensed("installed", name) for name in installed),
            *_shipped(),
            *(_licensed("tool", name) for name in tools),
        ]
    )


def _closure(lines: list[str]) -> set[str]:
    """The names of requirements, and of all that they require here."""
    names: set[str] = set()
    wanted = [(Requirement(line), "") for line in lines if line and "milepost" not in line]
    while wanted:
        requirement, extra = wanted.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        for chosen in ("", *requirement.extras):
            if f"{name}[{chosen}]" not in names:
                names.add(f"{name}[{chosen}]")
                needs = metadata.requires(name) or []
                wanted += [(Requirement(need), chosen) for need in needs]
    return {name.partition("[")[0] for name in names}


def _licensed(use: str, name: str) -> Licensed:
    package = metadata.metadata(name)
    said = READ.get(name) or package["License-Expression"]
    if not said:
        classifiers = package.get_all("Classifier") or []
        prefix = "License :: OSI Approved :: "
        said = next((each.removeprefix(prefix) for each in classifiers if prefix in each), None)
    said = said or (package["License"] or "unknown").strip().split("\n")[0]
    return Licensed(use, name, metadata.version(name), NAMES.get(said, said))


def _shipped() -> Iterator[Licensed]:
    """What the library of the charts is made of, as its own list says."""
    for line in CHARTS.read_text(encoding="utf-8").split("\n"):
        if match := re.fullmatch(r"([@\w/-]+) (\d[\w.-]*): (.+)", line):
            yield Licensed("shipped", *match.groups())


def main() -> None:
    packages = found()
    for each in packages:
        mark = "" if each.is_allowed else "  <- not allowed"
        print(f"{each.use:10} {each.name:24} {each.version:12} {each.licence}{mark}")
    refused = [each.name for each in packages if not each.is_allowed]
    if refused:
        sys.exit(
            f"error: not among the licences in tests/support/licences.py: {', '.join(refused)}"
        )


if __name__ == "__main__":
    main()
