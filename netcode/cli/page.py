"""The page of ``profile``: a treemap and a timeline as SVG, one file without scripts."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from netcode.cli.profile import Account

__all__ = ["page", "treemap"]

COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f")
WIDTH, HEIGHT, LINE_HEIGHT = 960, 360, 240
COLUMNS = 240
"""Most bars of the timeline; more snapshots share a bar."""

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
        f'fill="{colour}" stroke="#fff"><title>{html.escape(title)}</title></rect>'
    )


def fields_map(ranked: Sequence[tuple[str, float]], total: float) -> str:
    boxes = treemap([bits for _, bits in ranked], (0, 0, WIDTH, HEIGHT))
    parts = []
    for number, ((name, bits), box) in enumerate(zip(ranked, boxes, strict=True)):
        said = f"{name}: {bits:.1f} bits, {100 * bits / (total or 1):.1f} %"
        parts.append(rectangle(box, COLOURS[number % len(COLOURS)], said))
        if box[2] > 70 and box[3] > 18:
            parts.append(
                f'<text x="{box[0] + 6:.1f}" y="{box[1] + 16:.1f}">{html.escape(name)}</text>'
            )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'


def entities_map(account: Account) -> str:
    order = np.argsort(-account.entities, kind="stable")[:400]
    order = order[account.entities[order] > 0]
    boxes = treemap(account.entities[order].tolist(), (0, 0, WIDTH, HEIGHT))
    parts = [
        rectangle(box, COLOURS[0], f"slot {slot}: {account.entities[slot]:.1f} bits a snapshot")
        for slot, box in zip(order.tolist(), boxes, strict=True)
    ]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'


def timeline(account: Account, colours: dict[int, str]) -> str:
    shared = np.array_split(np.arange(len(account.ticks)), min(COLUMNS, len(account.ticks)))
    rows = np.array([account.timeline[part].mean(0) for part in shared])
    most = max(float(rows.sum(1).max()), 1e-9)
    width = WIDTH / len(rows)
    parts = []
    for number, row in enumerate(rows):
        y = float(LINE_HEIGHT)
        first = account.ticks[shared[number][0]]
        said = f"from tick {first}: {row.sum() / 8:.1f} bytes a snapshot"
        for field, bits in enumerate(row.tolist()):
            height = bits / most * LINE_HEIGHT
            y -= height
            parts.append(rectangle((number * width, y, width, height), colours[field], said))
    return f'<svg viewBox="0 0 {WIDTH} {LINE_HEIGHT}">{"".join(parts)}</svg>'


def page(table: str, account: Account, ranked: Sequence[tuple[str, float]]) -> str:
    """One HTML file: bits by field, by entity and over time. Hover for the figures."""
    order = {name: number for number, (name, _) in enumerate(ranked)}
    colours = {
        field: COLOURS[order[name] % len(COLOURS)] for field, name in enumerate(account.fields)
    }
    while len(colours) < account.timeline.shape[1]:
        colours[len(colours)] = COLOURS[-1]
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{bits:.1f}</td>"
        f"<td>{100 * bits / (account.total or 1):.1f} %</td></tr>"
        for name, bits in ranked
    )
    title = f"{html.escape(table)}: {account.total / 8:.1f} bytes a snapshot"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>'
        "body{font:15px system-ui;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}"
        "svg{width:100%}text{font-size:13px;fill:#fff}td{padding:2px 14px 2px 0}"
        "rect[stroke]{stroke-width:.5}</style>"
        f"<h1>{title}</h1><p>{len(account.ticks)} snapshots. Hover for figures.</p>"
        f"<h2>By field</h2>{fields_map(ranked, account.total)}"
        f"<table><tr><th>field<th>bits a snapshot<th>share</tr>{rows}</table>"
        f"<h2>By entity</h2>{entities_map(account)}"
        f"<h2>Over time</h2>{timeline(account, colours)}</html>\n"
    )
