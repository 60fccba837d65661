"""Pages as a reader without JavaScript has them, and names that try to get out of them."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import Counter, defaultdict
from functools import cached_property
from html.parser import HTMLParser
from typing import Any

HOSTILE = """<script>alert("x")</script>'"><img src=x onerror=alert(1)>&amp; \\ }}{{ '''"""

# What ends the run of elements that are still open.
VOID = ("meta", "input", "br", "wbr", "hr", "img", "link")


class Page(HTMLParser):
    """A page as a reader without JavaScript has it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._parts: dict[str, list[str]] = defaultdict(list)
        self.inline: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        self.texts = {name: "".join(parts) for name, parts in self._parts.items()}
        assert self._open == [], "elements that are not closed"

    @cached_property
    def ids(self) -> Counter[str]:
        return Counter(attributes["id"] for _, attributes in self.elements if "id" in attributes)

    def values(self, attribute: str) -> list[str]:
        return [found[attribute] for _, found in self.elements if attribute in found]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.elements.append((tag, found))
        if tag not in VOID:
            self._open.append((tag, found.get("id", "")))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1][0] == tag, f"</{tag}> in {self._open}"
        self._open.pop()

    def handle_data(self, text: str) -> None:
        for name in {name for _, name in self._open}:
            self._parts[name].append(text)
        if self._open and self._open[-1][0] in ("script", "style"):
            self.inline[self._open[-1][0]] = text


def decoded(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """As the page reads them."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def data_of(text: str) -> Any:
    """The data of a dashboard, unpacked."""
    found = re.search(r'<script type="text/plain" id="packed-data">([^<]*)</script>', text)
    assert found
    return json.loads(gzip.decompress(base64.b64decode(found[1])))
