"""The comments that scripts and cards begin with."""

import re


def leading_comment(text: str) -> list[str]:
    """Return the lines of the comment that a text begins with, without their `--`."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").removeprefix(" "))
    return lines


def header(text: str) -> dict[str, str]:
    """Return a header's paragraphs by first word, such as Grain; one without words under ''."""
    lines = leading_comment(text)
    paragraphs: dict[str, str] = {}
    for line in lines:
        if found := re.match(r"(\w+): +(.+)$", line):
            paragraphs[found[1]] = found[2]
        elif paragraphs:
            paragraphs[list(paragraphs)[-1]] += f" {line.strip()}"
    return paragraphs or {"": " ".join(lines)} if lines else {}
