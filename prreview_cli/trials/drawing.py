"""Charts as SVG: courses over time and a distribution. Colours come from the page's style sheet, by class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 720, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 24, 12, 24
_INNER_W, _INNER_H = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
BINS = 24

Points = Sequence[tuple[float, int]]


def course(points: Points, kind: str, title: str, *, bound: int | None = None) -> str:
    """A stepped course: each point is (seconds, value) and holds until the next. `bound` is drawn as a dashed line."""
    over = points[-1][0] or 1.0
    top = _round_up(max([*(value for _, value in points), bound or 0, 1]))
    line = _steps(points, over, top)
    area = f"{line} L{_x(over, over):.1f},{_y(0, top):.1f} L{_x(points[0][0], over):.1f},{_y(0, top):.1f} Z"
    drawn = [f'<path class="area {kind}" d="{area}"/>', f'<path class="line {kind}" d="{line}"/>']
    if bound is not None:
        y = _y(bound, top)
        drawn.append(f'<line class="bound" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text class="bound-label" x="{WIDTH - _RIGHT}" y="{y - 4:.1f}" text-anchor="end">bound {bound}</text>')
    return _framed(title, [*_grid(top), *drawn, *_ticks(over, "s")])


def distribution(values: Sequence[float], title: str) -> str:
    """How often each span of milliseconds occurred, from 0 to the largest."""
    over = _nice(max(values, default=1.0))
    counts = [0] * BINS
    for value in values:
        counts[min(int(value / over * BINS), BINS - 1)] += 1
    top, wide = _round_up(max([*counts, 1])), _INNER_W / BINS
    bars = [
        f'<rect class="bar" x="{_LEFT + index * wide + 1:.1f}" width="{wide - 2:.1f}" '
        f'y="{_y(count, top):.1f}" height="{_INNER_H * count / top:.1f}"/>'
        for index, count in enumerate(counts)
        if count
    ]
    return _framed(title, [*_grid(top), *bars, *_ticks(over, "ms")])


def _framed(title: str, parts: Sequence[str]) -> str:
    named = escape(title, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{named}"><title>{named}</title>{"".join(parts)}</svg>'


def _steps(points: Points, over: float, top: int) -> str:
    first, *rest = points
    path, before = [f"M{_x(first[0], over):.1f},{_y(first[1], top):.1f}"], first[1]
    for at, value in rest:
        x = _x(at, over)
        path.append(f"L{x:.1f},{_y(before, top):.1f}")
        if value != before:
            path.append(f"L{x:.1f},{_y(value, top):.1f}")
        before = value
    return " ".join(path)


def _grid(top: int) -> list[str]:
    """Lines at nothing, half and all, with their values; half only where it is a whole number."""
    values = [0, top // 2, top] if top % 2 == 0 else [0, top]
    return [
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{_y(value, top):.1f}" y2="{_y(value, top):.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{_y(value, top) + 4:.1f}" text-anchor="end">{value}</text>'
        for value in values
    ]


def _ticks(over: float, unit: str) -> list[str]:
    """Where we are on the horizontal axis, in up to nine places; the last with its unit."""
    step = _nice(over / 8)
    places = [step * number for number in range(int(over / step + 1e-9) + 1)]
    return [
        f'<text x="{_x(at, over):.1f}" y="{HEIGHT - 6}" text-anchor="middle">{at:g}{f" {unit}" if at == places[-1] else ""}</text>'
        for at in places
    ]


def _x(at: float, over: float) -> float:
    return _LEFT + _INNER_W * at / over


def _y(value: float, top: int) -> float:
    return _TOP + _INNER_H * (1 - value / top)


def _round_up(value: int) -> int:
    """The next whole number that is nice to read."""
    return max(value, math.ceil(_nice(value)))


def _nice(value: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below this."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next((round(factor * power, 10) for factor in (1, 2, 2.5, 5, 10) if factor * power >= value * (1 - 1e-9)), 10 * power)
