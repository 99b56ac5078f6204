"""Measure one family against what a user would pick instead, and print the table.

    python benchmarks/report.py bits
    python benchmarks/report.py bits --quick --json bits.json
    python benchmarks/report.py --list

Each family is a module in ``benchmarks/families`` with ``rows(quick: bool) -> list[Row]``. See
benchmarks/README.md for how to read the result.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from measure import Row

# A checkout that was built in place, when the library is not installed.
sys.path.append(str(Path(__file__).resolve().parent.parent))

FOLDER = Path(__file__).resolve().parent / "families"
TEXT_COLUMNS = {"family", "name", "unit", "peer", "better", "met"}


def families() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def number(value: float) -> str:
    """Four significant digits, without an exponent."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 3 - len(str(int(abs(value)))) + (abs(value) < 1) + 1)
    return f"{value:.{digits}f}"


def cell(key: str, value: object) -> str:
    if key == "met":
        return "yes" if value else "NO"
    if value is None:
        return "-"
    return str(value) if key in TEXT_COLUMNS else number(float(str(value)))


def table(rows: Sequence[Row]) -> str:
    keys = [field.name for field in dataclasses.fields(Row)]
    lines = [keys, *[[cell(key, getattr(item, key)) for key in keys] for item in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(keys))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            text.ljust(width) if key in TEXT_COLUMNS else text.rjust(width)
            for key, text, width in zip(keys, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def machine() -> str:
    """What the numbers were taken on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{platform.python_implementation()} {platform.python_version()}, {model}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="report.py", description="Measure one family of benchmarks and print its table."
    )
    parser.add_argument("family", nargs="?", metavar="FAMILY", help=", ".join(families()))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter slices: seconds")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the rows as JSON")
    parser.add_argument("--list", action="store_true", help="print the families and stop")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(families()))
        return 0
    if options.family is None:
        parser.error(f"name a family: {', '.join(families())}")
    if options.family not in families():
        parser.error(f"no family {options.family!r}; there are: {', '.join(families())}")
    if options.json is not None and not options.json.resolve().parent.is_dir():
        parser.error(f"--json: the folder of {options.json} does not exist")
    rows = importlib.import_module(f"families.{options.family}").rows(options.quick)
    print(f"{machine()}{', quick' if options.quick else ''}")
    print(table(rows))
    if options.json is not None:
        text = json.dumps([dataclasses.asdict(item) for item in rows], indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
