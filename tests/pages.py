"""Reads the Markdown pages: fenced blocks with their marks, links, and headings.

A mark is an HTML comment on the line before a fence, invisible to the reader:

    <!-- run -->                 runs; the blocks of one page share one namespace, in order
    <!-- output -->              is what the run block before it prints
    <!-- from: path -->          stands in that file, line for line; "..." leaves lines out
    <!-- bytes: name -->         hex bytes with comments, checked against the code under that name
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
MARK = re.compile(r"^\s*<!-- (run|output|from|bytes)(?:: (.+?))? -->\s*$")
FENCE = re.compile(r"^(\s*)(`{3,})(\w*)\s*$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; ``line`` is the line of its first content line, from 1."""

    page: Path
    line: int
    language: str
    mark: str
    argument: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def all_pages() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, text: str | None = None) -> Iterator[Block]:
    """Every fenced block of a page."""
    lines = (page.read_text(encoding="utf-8") if text is None else text).split("\n")
    at = 0
    while at < len(lines):
        opening = FENCE.match(lines[at])
        if not opening:
            at += 1
            continue
        indent, fence, language = opening.groups()
        mark = MARK.match(lines[at - 1]) if at else None
        end = at + 1
        while end < len(lines) and lines[end].strip() != fence:
            end += 1
        content = "\n".join(line.removeprefix(indent) for line in lines[at + 1 : end]) + "\n"
        name, argument = (mark[1], mark[2] or "") if mark else ("", "")
        yield Block(page, at + 2, language, name, argument, content)
        at = end + 1


def prose(text: str) -> str:
    """The page without fenced blocks and inline code."""
    kept: list[str] = []
    fence = ""
    for line in text.split("\n"):
        opening = FENCE.match(line)
        if fence:
            fence = "" if line.strip() == fence else fence
        elif opening:
            fence = opening[2]
        else:
            kept.append(re.sub(r"`[^`]*`", "", line))
    return "\n".join(kept)


def links(text: str) -> list[str]:
    """Targets of the links of a page that stay inside the repository."""
    return [t for t in LINK.findall(prose(text)) if not re.match(r"[a-z]+:", t)]


def anchors(text: str) -> set[str]:
    """The ids that headings get on GitHub."""
    found: dict[str, int] = {}
    result = set()
    inside = False
    for line in text.split("\n"):
        if FENCE.match(line):
            inside = not inside
        heading = None if inside else re.match(r"#{1,6}\s+(.+?)\s*$", line)
        if heading:
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).replace("`", "")
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            count = found.get(slug, 0)
            found[slug] = count + 1
            result.add(f"{slug}-{count}" if count else slug)
    return result


def stands_in(excerpt: str, source: str) -> bool:
    """Whether the excerpt's lines stand in the source, in order, each run between "..." whole."""

    def lines_of(text: str) -> list[str]:
        return [line.rstrip() for line in text.strip("\n").split("\n")]

    have, at = lines_of(source), 0
    runs: list[list[str]] = [[]]
    for line in lines_of(excerpt):
        if line.strip() in {"...", "# ..."}:
            runs.append([])
        else:
            runs[-1].append(line)
    for run in (run for run in runs if any(run)):
        run = "\n".join(run).strip("\n").split("\n")
        places = range(at, len(have) - len(run) + 1)
        place = next((i for i in places if have[i : i + len(run)] == run), None)
        if place is None:
            return False
        at = place + len(run)
    return True


def hex_bytes(text: str) -> bytes:
    """The bytes of a ``bytes`` block: hex pairs, with comments after ``#``."""
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.split("\n")))
