"""The pages are true: their code runs or stands in real files, and their links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
from pathlib import Path

import pytest
from pages import ROOT, Block, all_pages, anchors, blocks, hex_bytes, links, prose, stands_in

from netcode.session import COUNTER_NAMES

PAGES = all_pages()
DOCS = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]
PARTS = ("tutorial", "how-to", "explanation", "reference", "project")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_is_marked(page: Path) -> None:
    """Python on a page either runs, or stands in a file that does."""
    marks = {"python": {"run", "from"}}
    wrong = [
        str(block)
        for block in blocks(page)
        if block.mark not in marks.get(block.language, {"", "output", "bytes", "from"})
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(b.mark == "run" for b in blocks(p))], ids=name
)
def test_code_runs(page: Path) -> None:
    namespace: dict[str, object] = {"__name__": "page"}
    printed = ""
    for block in blocks(page):
        if block.mark == "run":
            # Empty lines in front put the page's own line numbers into tracebacks.
            lines = "\n" * (block.line - 1) + block.text
            code = compile(lines, str(page), "exec", dont_inherit=True)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(code, namespace)
            printed = out.getvalue()
        elif block.mark == "output":
            got = [line.rstrip() for line in printed.rstrip().split("\n")]
            assert got == block.text.rstrip().split("\n"), f"{block}: the output differs"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_excerpts_stand_in_their_files(page: Path) -> None:
    for block in blocks(page):
        if block.mark == "from":
            source = (ROOT / block.argument).read_text(encoding="utf-8")
            assert stands_in(block.text, source), f"{block}: not in {block.argument}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    broken = []
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    reached, waiting = {index}, [index]
    while waiting:
        page = waiting.pop()
        for link in links(page.read_text(encoding="utf-8")):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert [name(page) for page in DOCS if page not in reached] == []


def test_docs_have_their_five_parts() -> None:
    for part in PARTS:
        assert list((ROOT / "docs" / part).glob("*.md")), part


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_house_words(page: Path) -> None:
    """One title a page; no marketing; and no trace of where it was written."""
    text = page.read_text(encoding="utf-8")
    plain = prose(text)
    assert len(re.findall(r"^# ", plain, re.MULTILINE)) == 1
    banned = (
        r"\b(blazing|seamless(?:ly)?|effortless(?:ly)?|cutting-edge|game-chang\w+|supercharge)\b"
    )
    assert re.findall(banned, plain, re.IGNORECASE) == []
    assert re.findall(r"(?<![\w.])/(?:work|root|home|tmp)/", text) == []


def test_generated_pages_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["generate.py", "--check"])
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "docs" / "reference" / "generate.py"), run_name="__main__")
    assert end.value.code == 0, out.getvalue()


def test_counters_on_the_debugging_page_exist() -> None:
    text = (ROOT / "docs" / "how-to" / "debug-a-connection.md").read_text(encoding="utf-8")
    columns = [line.split("|")[2] for line in text.split("\n") if line.startswith("| `")]
    named = {counter for column in columns for counter in re.findall(r"`([a-z_]+)`", column)}
    assert "request_forged" in named
    assert named - {*COUNTER_NAMES, "schema_mismatches", "models_missed", "timeout"} == set()


# The readers can say no


def test_reader_of_blocks() -> None:
    page = ROOT / "docs" / "x.md"
    text = "# A\n\n<!-- run -->\n```python\nx = 1\n```\n\n```text\n<!-- run -->\n```\n"
    assert list(blocks(page, text)) == [
        Block(page, 5, "python", "run", "", "x = 1\n"),
        Block(page, 9, "text", "", "", "<!-- run -->\n"),
    ]
    (excerpt,) = blocks(page, "<!-- from: a/b.py -->\n```python\ny\n```\n")
    assert (excerpt.mark, excerpt.argument) == ("from", "a/b.py")


def test_reader_of_excerpts() -> None:
    source = "a = 1\nb = 2\n\ndef f():\n    return a\n\nc = 3\n"
    assert stands_in("b = 2\n\ndef f():\n", source)
    assert stands_in("a = 1\n...\ndef f():\n    return a\n", source)
    assert stands_in("a = 1\n\n...\n\nc = 3\n", source)
    assert not stands_in("a = 1\nc = 3\n", source)
    assert not stands_in("c = 3\n...\na = 1\n", source)
    assert not stands_in("return a\n", source)


def test_reader_of_links_and_headings() -> None:
    text = "# A `b` c!\n[x](y.md#z) `[n](o)` [w](https://w)\n## A b c\n```\n# no\n[p](q)\n```\n"
    assert links(text) == ["y.md#z"]
    assert anchors(text) == {"a-b-c", "a-b-c-1"}


def test_reader_of_bytes() -> None:
    assert hex_bytes("01 02   # one, two\n\nff # last\n") == b"\x01\x02\xff"
