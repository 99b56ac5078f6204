"""The page of ``profile``: treemaps, bars and a timeline as SVG, one file without scripts."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

import numpy as np

from netcode.cli.account import Account
from netcode.cli.split import BESIDE
from netcode.cli.wish import Outcome

__all__ = ["page", "treemap"]

COLOURS: Final = (
    "#3b6ea8", "#b85a17", "#3f7f3a", "#b03f4c", "#23817d", "#8a6a10", "#80559a", "#7b5a45",
)  # fmt: skip
GREYS: Final = ("#5a6472", "#6d7886", "#4b5563", "#7a7f87", "#5f6b66", "#6b6470", "#555b66")
"""Of what is of no field. White text can be read on each, and each on white and on black."""

WIDTH, HEIGHT, LINE_HEIGHT, BAR_HEIGHT = 960, 300, 220, 26
COLUMNS = 240
"""Most bars of the timeline; more snapshots share a bar."""

ENTITIES = 400
"""Most boxes of the map of entities."""

STYLE: Final = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1c2129;--faint:#5d6673;--line:#d9dee5}
@media(prefers-color-scheme:dark){
:root{--paper:#14171c;--ink:#e4e8ee;--faint:#98a2b0;--line:#2e3540}}
body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;
background:var(--paper);color:var(--ink)}
h1{font-size:1.6em;margin:0 0 .3em}h2{font-size:1.15em;margin:2em 0 .5em}
p,.axis{color:var(--faint)}p{margin:.3em 0}
dl{display:flex;flex-wrap:wrap;gap:.6em 2.4em;margin:1em 0}
dt{color:var(--faint);font-size:.85em}dd{margin:0;font-size:1.3em;font-weight:600}
svg{display:block;width:100%;height:auto}
svg text{font-size:13px;fill:#fff;pointer-events:none}
rect{stroke:var(--paper);stroke-width:.6}rect:hover{filter:brightness(1.25)}
table{border-collapse:collapse;width:100%;margin:1em 0}
td,th{padding:3px 14px 3px 0;border-bottom:1px solid var(--line);text-align:right;
font-variant-numeric:tabular-nums}
td:first-child,th:first-child{text-align:left}
i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.6em}
.axis{display:flex;justify-content:space-between;font-size:.85em}
"""

Box = tuple[float, float, float, float]


def treemap(sizes: Sequence[float], box: Box) -> list[Box]:
    """A rectangle (x, y, width, height) in ``box`` for each size, of that share of the area.

    Halves are split along the longer side; sizes are best given falling.
    """
    if len(sizes) <= 1:
        return [box] * len(sizes)
    total = sum(sizes)
    half, at = 0.0, 0
    while at < len(sizes) - 1 and (at == 0 or half + sizes[at] <= total / 2):
        half += sizes[at]
        at += 1
    x, y, width, height = box
    share = half / total if total else at / len(sizes)
    if width >= height:
        first = (x, y, width * share, height)
        second = (x + width * share, y, width * (1 - share), height)
    else:
        first = (x, y, width, height * share)
        second = (x, y + height * share, width, height * (1 - share))
    return treemap(sizes[:at], first) + treemap(sizes[at:], second)


def rectangle(box: Box, colour: str, title: str) -> str:
    x, y, width, height = box
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{colour}"><title>{html.escape(title)}</title></rect>'
    )


def picture(height: float, parts: Sequence[str], label: str) -> str:
    """An SVG that is as wide as the page."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{html.escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def colours_of(ranked: Sequence[tuple[str, float]]) -> dict[str, str]:
    """Colours for fields, heaviest first, and greys for the rest."""
    fields = [name for name, _ in ranked if name not in BESIDE]
    made = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(fields)}
    return made | dict(zip(BESIDE, GREYS, strict=True))


def fields_map(ranked: Sequence[tuple[str, float]], total: float, colours: dict[str, str]) -> str:
    shown = [(name, bits) for name, bits in ranked if bits > 0]
    boxes = treemap([bits for _, bits in shown], (0, 0, WIDTH, HEIGHT))
    parts = []
    for (name, bits), box in zip(shown, boxes, strict=True):
        said = f"{name}: {bits:.1f} bits a snapshot, {100 * bits / (total or 1):.1f} %"
        parts.append(rectangle(box, colours[name], said))
        if box[2] > 9 + 7.5 * len(name) and box[3] > 20:
            parts.append(
                f'<text x="{box[0] + 7:.1f}" y="{box[1] + 17:.1f}">{html.escape(name)}</text>'
            )
    return picture(HEIGHT, parts, "bits by field")


def fields_table(ranked: Sequence[tuple[str, float]], total: float, colours: dict[str, str]) -> str:
    rows = "".join(
        f'<tr><td><i style="background:{colours[name]}"></i>{html.escape(name)}</td>'
        f"<td>{bits:.1f}</td><td>{100 * bits / (total or 1):.1f} %</td></tr>"
        for name, bits in ranked
        if bits or name not in BESIDE
    )
    return f"<table><tr><th>what</th><th>bits a snapshot</th><th>share</th></tr>{rows}</table>"


def wishes(changed: Sequence[Outcome], colours: dict[str, str]) -> str:
    """A bar of what is, and one for each wish, of the same scale."""
    bars = [("as recorded", changed[0].before)] + [(each.wish, each.after) for each in changed]
    most = max(max(account.total for _, account in bars), 1e-9)
    parts, rows = [], []
    for number, (name, account) in enumerate(bars):
        x = 0.0
        for field, bits in account.fields.items():
            width = max(0.0, bits) / most * WIDTH
            said = f"{name}: {field}, {bits:.1f} bits a snapshot"
            if bits > 0:
                box = (x, number * BAR_HEIGHT, width, BAR_HEIGHT - 4)
                # a wish may split what is coded together: then no row has that name
                parts.append(rectangle(box, colours.get(field, GREYS[0]), said))
            x += width
        parts.append(
            f'<text x="7" y="{number * BAR_HEIGHT + BAR_HEIGHT / 2 + 3:.1f}">'
            f"{html.escape(name)}</text>"
        )
        joined = "" if account.after_joining is None else f"{account.after_joining / 8:.1f}"
        change = f"{changed[number - 1].change:+.1f} %" if number else ""
        rows.append(
            f"<tr><td>{html.escape(name)}</td><td>{joined}</td><td>{account.total / 8:.1f}</td>"
            f"<td>{change}</td></tr>"
        )
    untrained = changed[0].tables == "untrained"
    said = "the untrained tables" if untrained else "the model's tables, not trained for the change"
    return (
        f"<h2>What if</h2><p>All bars are coded with {said}. Each adds to those above.</p>"
        + picture(len(bars) * BAR_HEIGHT, parts, "bits with other steps")
        + "<table><tr><th>what if</th><th>bytes once joined</th><th>bytes a snapshot</th>"
        + "<th>change</th></tr>"
        + f"{''.join(rows)}</table>"
    )


def entities_map(account: Account) -> str:
    order = np.argsort(-account.entities, kind="stable")[:ENTITIES]
    order = order[account.entities[order] > 0]
    sizes = account.entities[order].tolist()
    boxes = treemap(sizes, (0, 0, WIDTH, HEIGHT))
    parts = []
    for slot, bits, box in zip(order.tolist(), sizes, boxes, strict=True):
        parts.append(rectangle(box, COLOURS[0], f"slot {slot}: {bits:.1f} bits a snapshot"))
        if box[2] > 10 + 8.5 * len(str(slot)) and box[3] > 20:
            parts.append(f'<text x="{box[0] + 5:.1f}" y="{box[1] + 16:.1f}">{slot}</text>')
    return picture(HEIGHT, parts, "bits by entity")


def timeline(account: Account, colours: dict[str, str]) -> str:
    shared = np.array_split(np.arange(len(account.ticks)), min(COLUMNS, len(account.ticks)))
    rows = np.array([account.timeline[part].mean(0) for part in shared])
    heights = np.maximum(rows, 0)  # the ends of sections may be worth less than nothing
    # the full state of joining is many times what follows, which is what one wants to see
    usual = [
        row.sum() for row, part in zip(heights, shared, strict=True) if account.joined[part].all()
    ]
    highest = float(heights.sum(1).max())
    most = max(float(max(usual, default=highest)), 1e-9)
    cut = "; higher ones are cut off" if highest > most else ""
    width = WIDTH / len(rows)
    names = list(account.fields)
    parts = []
    for number, row in enumerate(rows):
        y = float(LINE_HEIGHT)
        first = account.ticks[shared[number][0]]
        whole = f"from tick {first}: {row.sum() / 8:.1f} bytes a snapshot"
        for name, bits, tall in zip(names, row.tolist(), heights[number].tolist(), strict=True):
            height = min(y, tall / most * LINE_HEIGHT)
            y -= height
            if height > 0:
                box = (number * width, y, width, height)
                parts.append(rectangle(box, colours[name], f"{whole}; {name} {bits:.1f} bits"))
    return (
        f'<div class="axis"><span>top: {most / 8:.0f} bytes a snapshot{cut}</span></div>'
        + picture(LINE_HEIGHT, parts, "bits over time")
        + f'<div class="axis"><span>tick {account.ticks[0]}</span>'
        + f"<span>tick {account.ticks[-1]}</span></div>"
    )


def page(
    table: str,
    account: Account,
    ranked: Sequence[tuple[str, float]],
    changed: Sequence[Outcome] = (),
    model: str | None = None,
) -> str:
    """One HTML file: bits by field, with other steps, by entity and over time.

    Args:
        table: its name.
        account: of the recording.
        ranked: its fields, heaviest first.
        changed: what else was tried.
        model: its name; None for the untrained tables.
    """
    colours = colours_of(ranked)
    figures = {
        "bytes a snapshot": f"{account.total / 8:.1f}",
        "snapshots": f"{len(account.ticks)}",
        "sections a snapshot": f"{account.sections:.1f}",
        "coded with": "untrained tables" if model is None else f"model {model}",
    }
    if account.after_joining is not None:
        figures["bytes once joined"] = f"{account.after_joining / 8:.1f}"
    said = "".join(
        f"<div><dt>{name}</dt><dd>{html.escape(text)}</dd></div>" for name, text in figures.items()
    )
    title = f"{html.escape(table)}: {account.total / 8:.1f} bytes a snapshot"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>"
        f"<h1>{html.escape(table)}</h1><dl>{said}</dl>"
        "<p>Of the sections that a server sends to one client. Point at a part for its figures.</p>"
        f"<h2>By field</h2>{fields_map(ranked, account.total, colours)}"
        f"{fields_table(ranked, account.total, colours)}"
        f"{wishes(changed, colours) if changed else ''}"
        f"<h2>By entity</h2><p>Numbers are slots; {account.shared:.1f} bits a snapshot are of no "
        f"single entity.</p>{entities_map(account)}"
        f"<h2>Over time</h2>{timeline(account, colours)}</body></html>\n"
    )
