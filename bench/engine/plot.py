"""SVG plot: tokens per CPU second over the number of requests, one line per engine."""

import math
from typing import Final
from xml.sax.saxutils import escape

from bench.engine import report
from bench.engine.runner import BenchmarkResults

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 420, 60, 50, 30, 130
COLOURS: Final = {
    "pipeline": "#999999",
    "static": "#c0a060",
    "continuous": "#4c78a8",
    "vllm": "#b279a2",
    "llama.cpp": "#54a24b",
    "ours": "#e45756",
}
STYLE: Final = "font-family='sans-serif' font-size='12'"


def draw_plot(results: BenchmarkResults) -> str:
    """Return the SVG for requests that arrive at once, or an empty string without any."""
    counts = list(results.runs.get("burst", {}))
    if not counts:
        return ""
    lines: dict[str, list[tuple[int, float]]] = {}
    for count in counts:
        for name in results.runs["burst"][count]:
            point = (count, report.compute_speed(results, "burst", count, name))
            lines.setdefault(name, []).append(point)
    scale = _Scale(max(counts), max(speed for line in lines.values() for _, speed in line))
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' {STYLE}>",
        f"<rect width='{WIDTH}' height='{HEIGHT}' fill='white'/>",
        f"<text x='{LEFT}' y='18'>tokens per CPU second, requests that arrive at once</text>",
        *scale.draw_grid(counts),
    ]
    for name, line in lines.items():
        parts += _draw_series(
            name, [(scale.map_count(count), scale.map_speed(speed)) for count, speed in line]
        )
    return "\n".join([*parts, "</svg>", ""])


class _Scale:
    """Coordinates: requests on a logarithmic axis, tokens a second on a linear one."""

    def __init__(self, max_count: int, max_speed: float) -> None:
        self._octaves = max(1.0, math.log2(max_count))
        self._step = next(step for step in (5, 10, 20, 50, 100, 1000) if max_speed / step <= 8)
        self._top = self._step * math.ceil(max_speed / self._step)

    def map_count(self, count: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log2(count) / self._octaves

    def map_speed(self, speed: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * speed / self._top

    def draw_grid(self, counts: list[int]) -> list[str]:
        parts = []
        for speed in range(0, self._top + 1, self._step):
            y = self.map_speed(speed)
            parts.append(f"<path d='M{LEFT} {y:.1f}H{WIDTH - RIGHT}' stroke='#dddddd'/>")
            parts.append(f"<text x='{LEFT - 8}' y='{y + 4:.1f}' text-anchor='end'>{speed}</text>")
        for count in counts:
            position = (
                f"x='{self.map_count(count):.1f}' y='{HEIGHT - BOTTOM + 18}' text-anchor='middle'"
            )
            parts.append(f"<text {position}>{count}</text>")
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(f"<text x='{middle}' y='{HEIGHT - 10}' text-anchor='middle'>requests</text>")
        return parts


def _draw_series(name: str, points: list[tuple[float, float]]) -> list[str]:
    colour = COLOURS[name]
    x, y = points[-1]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return [
        f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>",
        *(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{colour}'/>" for x, y in points),
        f"<text x='{x + 8:.1f}' y='{y + 4:.1f}' fill='{colour}'>{escape(name)}</text>",
    ]
