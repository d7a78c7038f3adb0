import numpy as np

from shared.generators.painter.colour import Colour, Field


class Canvas:
    """A picture being painted: float32 sRGB in 0…1, and the coordinates of its pixels.

    One unit of length is the shorter side, so that a scene keeps its shape at any size: x is 0 in
    the middle and grows to `right`, y is 0 at the top and grows down to `bottom`.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.unit = min(width, height)
        self.right = width / self.unit / 2
        self.bottom = height / self.unit
        self.rgb = np.zeros((height, width, 3), np.float32)
        self.x: Field = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / self.unit - self.right
        self.y: Field = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / self.unit

    def row(self, y: float) -> int:
        """The pixel row at a height, kept within the picture."""
        return min(max(int(y * self.unit), 0), self.height)

    def blend(self, colour: Field, alpha: Field | float, *, top: int = 0) -> None:
        """Lay `colour` (one RGB or one for each pixel) over the rows from `top` on."""
        height = alpha.shape[0] if isinstance(alpha, np.ndarray) else self.height - top
        target = self.rgb[top : top + height]
        for channel in range(3):  # one channel at a time takes a third of the memory
            plane = target[..., channel]
            plane += (colour[..., channel] - plane) * alpha

    def fill(self, colour: Colour, alpha: Field | float, *, top: int = 0) -> None:
        self.blend(colour.rgb(), alpha, top=top)

    def glow(self, colour: Field, strength: Field, *, top: int = 0) -> None:
        """Add light as a projector would: it never darkens and never overflows."""
        target = self.rgb[top : top + strength.shape[0]]
        for channel in range(3):
            plane = target[..., channel]
            plane += strength * np.maximum(colour[channel] * (1 - plane), 0)

    def distance(self, x: float, y: float) -> Field:
        """How far each pixel is from a point, in units."""
        away: Field = np.hypot(self.x - x, self.y - y)
        return away

    def cover(self, signed: Field) -> Field:
        """Soft-edged coverage of a shape from its signed depth in units (positive is inside)."""
        covered: Field = np.clip(signed * self.unit + 0.5, 0, 1)
        return covered


def smoothstep(low: float, high: float, values: Field) -> Field:
    t = np.clip((values - low) / (high - low), 0, 1)
    result: Field = t * t * (3 - 2 * t)
    return result
