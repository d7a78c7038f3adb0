"""Crisp shapes as soft-edged masks: drawn by Pillow at twice the size, then halved."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from shared.generators.painter.canvas import Canvas
from shared.generators.painter.colour import Field

OVERSAMPLING = 2
Point = tuple[float, float]


class Mask:
    """Coverage of the rows from `top` (in units) down; what is drawn is measured in units."""

    def __init__(self, canvas: Canvas, top: float = 0.0, bottom: float | None = None) -> None:
        self._canvas = canvas
        self.top = canvas.row(top)
        end = canvas.height if bottom is None else canvas.row(bottom) + 1
        self._rows = max(min(end, canvas.height) - self.top, 1)
        size = (canvas.width * OVERSAMPLING, self._rows * OVERSAMPLING)
        self._image = Image.new("L", size)
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Sequence[Point], tone: int = 255) -> None:
        self._draw.polygon([self._pixel(point) for point in points], fill=tone)

    def ellipse(self, x: float, y: float, rx: float, ry: float, tone: int = 255) -> None:
        corners = [self._pixel((x - rx, y - ry)), self._pixel((x + rx, y + ry))]
        self._draw.ellipse(corners, fill=tone)

    def line(self, points: Sequence[Point], width: float, tone: int = 255) -> None:
        pixels = max(round(width * self._canvas.unit * OVERSAMPLING), 1)
        self._draw.line([self._pixel(p) for p in points], fill=tone, width=pixels, joint="curve")

    def box(self, x0: float, y0: float, x1: float, y1: float, tone: int = 255) -> None:
        self._draw.rectangle([self._pixel((x0, y0)), self._pixel((x1, y1))], fill=tone)

    def field(self) -> Field:
        halved = self._image.reduce(OVERSAMPLING)
        return np.asarray(halved, np.float32) / 255

    def _pixel(self, point: Point) -> Point:
        scale = self._canvas.unit * OVERSAMPLING
        return (
            (point[0] + self._canvas.right) * scale,
            point[1] * scale - self.top * OVERSAMPLING,
        )


def smooth(points: Sequence[Point], steps: int = 8) -> list[Point]:
    """A closed Catmull-Rom curve through the points."""
    ring = np.array(points)
    before, after, beyond = np.roll(ring, 1, 0), np.roll(ring, -1, 0), np.roll(ring, -2, 0)
    curve = []
    for t in np.arange(steps) / steps:
        curve.append(
            0.5
            * (
                2 * ring
                + (after - before) * t
                + (2 * before - 5 * ring + 4 * after - beyond) * t**2
                + (3 * ring - before - 3 * after + beyond) * t**3
            )
        )
    return [(float(x), float(y)) for x, y in np.stack(curve, axis=1).reshape(-1, 2)]
