"""The picture of the benchmark: one row of bars and two curves, as an SVG written by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 860, 230
INK, OURS, THEIRS = "#24292f", "#1a7f37", "#8c959f"
Points = Sequence[tuple[float, float]]


def draw(bars: Sequence[tuple[str, float]], datastacks: Points, files: Points) -> str:
    """The whole picture: seconds of a first and a second check, and how they grow."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">',
        "<title>How long a check takes, and how that grows</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_bars(bars, 10),
        *_curve(datastacks, 430, "--all: seconds by datastacks", 1.0, "s", math.sqrt),
        *_curve(files, 660, "ms by files in the folder", 1000.0, "ms", lambda x: math.log10(max(x, 1.0))),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'


def _bars(bars: Sequence[tuple[str, float]], left: float) -> list[str]:
    longest = max((value for _, value in bars), default=0) or 1.0
    parts = [_text(left, 22, "100 ms a response, fresh kernel", 'font-weight="bold"')]
    for number, (name, value) in enumerate(bars):
        y = 40 + 44 * number
        width = 250 * value / longest
        colour = OURS if name.startswith("%") else THEIRS
        parts.append(_text(left, y + 8, name))
        parts.append(f'<rect x="{left}" y="{y + 13}" width="{width:.1f}" height="14" rx="2" fill="{colour}"/>')
        parts.append(_text(left + width + 6, y + 24, f"{value:.2f} s"))
    return parts


def _curve(points: Points, left: float, title: str, factor: float, unit: str, scale: object) -> list[str]:
    bottom, height, width = 190.0, 140.0, 170.0
    parts = [_text(left, 22, title, 'font-weight="bold"')]
    if not points:
        return parts
    xs = [scale(x) for x, _ in points]  # type: ignore[operator]
    top = max(y for _, y in points) * 1.25 or 1.0
    span = (max(xs) - min(xs)) or 1.0
    places = [
        (left + 10 + (x - min(xs)) / span * width, bottom - y / top * height) for x, (_, y) in zip(xs, points, strict=True)
    ]
    parts.append(f'<path d="M{left} {bottom - height} V{bottom} H{left + width + 20}" fill="none" stroke="{THEIRS}"/>')
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{OURS}" stroke-width="2"/>')
    for (x, y), (count, value) in zip(places, points, strict=True):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{OURS}"/>')
        parts.append(_text(x, y - 8, f"{value * factor:.3g} {unit}", 'text-anchor="middle" font-size="10"'))
        parts.append(_text(x, bottom + 14, f"{count:,.0f}", 'text-anchor="middle" font-size="10"'))
    return parts
