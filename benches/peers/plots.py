"""Plots as SVG, written by hand: readable on light and on dark ground, and by those who see no colours."""

import math
from html import escape
from pathlib import Path

from marks import promised_mib
from report import Results, seconds

WIDTH = 760
STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600; font-size: 14px }
.note { fill: #57606a } .ours { fill: #0969da } .peer { fill: #8c959f } .floor { fill: #d0d7de }
.axis { stroke: #8c959f; fill: none } .line { stroke: #0969da; fill: none; stroke-width: 2 }
.bound { stroke: #bc4c00; fill: none; stroke-dasharray: 5 4 } .spread { stroke: #24292f }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .note { fill: #9198a1 } .ours { fill: #4493f8 } .peer { fill: #6e7681 }
.floor { fill: #3d444d } .line { stroke: #4493f8 } .bound { stroke: #f0883e } .spread { stroke: #e6edf3 } }
</style>"""


def svg(height: int, parts: list) -> str:
    frame = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
    return "\n".join([f"<svg {frame}>", STYLE, *parts, "</svg>"]) + "\n"


def text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(said)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def write_all(results: Results, floors: set, directory: Path):
    directory.mkdir(parents=True, exist_ok=True)
    for scenario in ("cold", "again", "changed"):
        for workload in results.workloads(scenario):
            (directory / f"{scenario}-{workload}.svg").write_text(bars(results, scenario, workload, floors))
    if results.workloads("linear"):
        (directory / "linear.svg").write_text(linear(results))


def bars(results: Results, scenario: str, workload: str, floors: set) -> str:
    """Wall time of each, the fastest first, with whiskers from the lowest to the highest."""
    found = {peer: results.figures(scenario, workload, peer) for peer in results.peers(scenario, workload)}
    ranked = sorted(found.items(), key=lambda pair: pair[1].wall_s)
    left, right, step = 130, 250, 26
    scale = (WIDTH - left - right) / max(max(figures.walls_s) for figures in found.values())
    parts = [text(0, 16, f"{workload}, {scenario}: wall time, peak memory, output", "title")]
    for number, (peer, figures) in enumerate(ranked):
        y = 34 + number * step
        kind = "ours" if peer.startswith("ocitect") else "floor" if peer in floors else "peer"
        low, high = (left + scale * edge(figures.walls_s) for edge in (min, max))
        parts += [
            text(left - 8, y + 13, peer, anchor="end"),
            f'<rect x="{left}" y="{y}" width="{scale * figures.wall_s:.1f}" height="18" class="{kind}"/>',
            line(low, y + 9, high, y + 9, "spread"),
            text(high + 8, y + 13, f"{seconds(figures.wall_s)}, {figures.peak_bytes / 2**20:.0f} MiB, "
                                   f"{figures.output_bytes / 1e6:.1f} MB", "note"),
        ]
    y = 34 + len(ranked) * step + 12
    parts.append(text(0, y, "Medians; the thin line goes from the lowest to the highest. Pale: does less than make an "
                            "image.", "note"))
    return svg(y + 8, parts)


def linear(results: Results) -> str:
    """Four panels: time and peak memory, over the number of files and over the size of one file."""
    parts = [text(0, 16, "Cost over the number of files and the size of one file; axes are logarithmic", "title")]
    for column, (prefix, unit) in enumerate({"files": "files", "bytes": "MiB"}.items()):
        names = [name for name in results.workloads("linear") if name.startswith(prefix)]
        found = {int(name.split("-")[1]): results.figures("linear", name, "ocitect") for name in names}
        if not found:
            continue
        walls = [(amount, figures.wall_s) for amount, figures in found.items()]
        peaks = [(amount, figures.peak_bytes / 2**20) for amount, figures in found.items()]
        promised = [(amount, promised_mib(amount if unit == "files" else 1)) for amount in found]
        left = column * WIDTH / 2
        parts += panel(left, 30, f"wall time, s, over {unit}", walls, proportional(walls))
        parts += panel(left, 260, f"peak memory, MiB, over {unit}", peaks, promised)
    parts.append(text(0, 500, "Dashed: growth in proportion, backwards from the largest; what is promised.", "note"))
    return svg(508, parts)


def proportional(points: list) -> list:
    """A line through the last point and zero, as far as the axes reach."""
    amount, value = points[-1]
    lowest = max(value * points[0][0] / amount, decades([value for _, value in points])[0])
    return [(lowest * amount / value, lowest), (amount, value)]


def panel(left: float, top: float, title: str, points: list, dashed: list) -> list:
    x0, y0, width, height = left + 56, top + 24, WIDTH / 2 - 86, 160
    xs = [x for x, _ in points]
    x_at = scale(min(xs), max(xs), x0, x0 + width)
    y_at = scale(*decades([y for _, y in points + dashed]), y0 + height, y0)
    path = lambda line: " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in line)
    parts = [text(x0, top + 12, title), line(x0, y0 + height, x0 + width, y0 + height, "axis"),
             line(x0, y0, x0, y0 + height, "axis"), f'<polyline points="{path(dashed)}" class="bound"/>',
             f'<polyline points="{path(points)}" class="line"/>']
    for x, y in points:
        # There is no line above and to the left, since it rises.
        parts += [f'<circle cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="3" class="ours"/>',
                  text(x_at(x) - 5, y_at(y) - 5, f"{y:.3g}", "note", "end"),
                  text(x_at(x), y0 + height + 16, f"{x:,}" if x < 10**4 else f"{x // 1000}k", "note", "middle")]
    return parts


def decades(values: list) -> tuple:
    return 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values)))


def scale(low: float, high: float, start: float, end: float):
    """Logarithmic."""
    span = math.log(high / low) or 1
    return lambda value: start + (end - start) * math.log(value / low) / span
