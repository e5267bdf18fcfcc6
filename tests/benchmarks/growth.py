"""A small chart: CPU seconds a step over the number of valid cells."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 520, 320, 56


def draw(points: Sequence[tuple[int, float]]) -> str:
    """(cells, CPU seconds) -> SVG with the points and the line through the origin that is nearest
    to them.
    """
    most_x, most_y = max(x for x, _ in points) * 1.08, max(y for _, y in points) * 1.12
    slope = sum(x * y for x, y in points) / sum(x * x for x, _ in points)

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = (WIDTH - 2 * MARGIN) * x / most_x, (HEIGHT - 2 * MARGIN) * y / most_y
        return round(MARGIN + across, 1), round(HEIGHT - MARGIN - up, 1)

    left, floor = at(0, 0)
    right, top = at(most_x, most_y)
    end_x, end_y = at(most_x, slope * most_x)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<path d="M{left} {top}V{floor}H{right}" fill="none" stroke="#555"/>',
        f'<path d="M{left} {floor}L{end_x} {end_y}" stroke="#bbb" stroke-dasharray="4 3"/>',
        f'<text x="{left}" y="{top - 14}">CPU seconds a step</text>',
        f'<text x="{right}" y="{HEIGHT - 14}" text-anchor="end">valid cells; dashed: '
        f"{1e3 * slope:.2f} ms a cell</text>",
    ]
    for cells, seconds in points:
        x, y = at(cells, seconds)
        parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="#1f6feb"/>')
        parts.append(f'<text x="{x - 8}" y="{y - 8}" text-anchor="end">{seconds:.2f}</text>')
        parts.append(f'<text x="{x}" y="{floor + 16}" text-anchor="middle">{cells}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
