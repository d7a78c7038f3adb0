"""Oil: colour dragged along a slow current, bristles that catch the light."""

import numpy as np

from shared.generators.painter.canvas import Canvas
from shared.generators.painter.colour import Field, luminance
from shared.generators.painter.noise import blurred, fbm, shifted
from shared.generators.painter.scene import Scene

STROKE = 0.0065  # half a stroke's length in units
STEPS = 3


def strokes(canvas: Canvas, scene: Scene) -> None:
    along_x, along_y = _current(canvas, scene)
    canvas.rgb[:] = _dragged(canvas, canvas.rgb, along_x, along_y, STROKE)


def relief(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("bristles")
    along_x, along_y = _current(canvas, scene)
    grain = fbm(canvas, rng, 0.005, octaves=2, gain=0.8)
    bristles = _dragged(canvas, grain, along_x, along_y, 2.6 * STROKE)
    raised = bristles - shifted(bristles, 1, 1)
    thick = 0.35 + 0.65 * blurred(luminance(canvas.rgb), 0.01 * canvas.unit)
    canvas.rgb += (0.075 * np.clip(raised, -1, 1) * thick)[..., None]
    canvas.rgb *= (1 + 0.045 * np.clip(bristles, -1, 1))[..., None]


def varnish(canvas: Canvas, scene: Scene) -> None:
    """A little more depth and colour, as under a coat of varnish."""
    np.clip(canvas.rgb, 0, 1, out=canvas.rgb)
    grey = luminance(canvas.rgb)[..., None]
    canvas.rgb += 0.14 * (canvas.rgb - grey)
    curve = canvas.rgb * canvas.rgb * (3 - 2 * canvas.rgb)
    canvas.rgb += 0.3 * (curve - canvas.rgb)


def _current(canvas: Canvas, scene: Scene) -> tuple[Field, Field]:
    """The direction of the brush: along edges where there are some, else with the current."""
    rng = scene.dice.stream("brush")
    angle = 1.9 * fbm(canvas, rng, 0.45, octaves=3)
    grey = blurred(luminance(canvas.rgb), 0.004 * canvas.unit)
    down, across = np.gradient(grey)
    force = np.float32(canvas.unit / 6)
    x = np.cos(angle) + force * -down * np.sign(across + 1e-6)
    y = np.sin(angle) + force * np.abs(across)
    length = np.hypot(x, y) + 1e-6
    return x / length, y / length


def _dragged(canvas: Canvas, field: Field, x: Field, y: Field, reach: float) -> Field:
    """The mean of `field` along the current, on both sides of each pixel."""
    total = field.copy()
    stride = max(reach * canvas.unit / STEPS, 0.7)
    for step in range(1, STEPS + 1):
        for side in (-step, step):
            total += shifted(field, side * stride * x, side * stride * y)
    total /= 2 * STEPS + 1
    return total
