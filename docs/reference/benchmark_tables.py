"""Writes the tables of benchmarks.md from the JSON of benchmarks/report.py.

python docs/reference/benchmark_tables.py bits.json transport.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("benchmarks.md")
COLUMNS = ("name", "unit", "ours", "peer", "peer_value", "ratio", "goal", "moonshot")
COLUMNS += ("better", "met")


def cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else str(value)


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(COLUMNS).replace("_", " ") + " |", "|---" * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(cell(row.get(name)) for name in COLUMNS) + " |" for row in rows]
    return "\n".join(lines)


def insert(page: str, family: str, text: str) -> str:
    """The page with the table of one family replaced, or a section added for it."""
    pattern = re.compile(rf"(<!-- table: {family} -->\n).*?(\n<!-- end -->)", re.DOTALL)
    if pattern.search(page):
        return pattern.sub(lambda match: match[1] + text + match[2], page)
    return f"{page.rstrip()}\n\n## {family}\n\n<!-- table: {family} -->\n{text}\n<!-- end -->\n"


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    for name in sys.argv[1:]:
        rows = json.loads(Path(name).read_text(encoding="utf-8"))
        for family in sorted({row["family"] for row in rows}):
            page = insert(page, family, table([row for row in rows if row["family"] == family]))
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
