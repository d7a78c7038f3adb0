"""Ink: washes of grey and one colour on warm paper, dry lines along the edges."""

import numpy as np

from shared.generators.painter.canvas import Canvas, smoothstep
from shared.generators.painter.colour import Colour, luminance
from shared.generators.painter.noise import blurred, fbm, shifted
from shared.generators.painter.scene import Scene

PAPER = Colour(0.94, 0.03, 85)
INK = Colour(0.19, 0.025, 265)


def wash(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("wash")
    grey = luminance(canvas.rgb)
    grey = grey + 0.7 * (blurred(grey, 0.006 * canvas.unit) - grey)
    low, high = np.quantile(grey[::4, ::4], [0.02, 0.97]).tolist()
    near = grey - blurred(grey, 0.07 * canvas.unit)  # what mist hides, a brush brings out
    tone = np.clip((grey - low) / max(high - low, 0.05) + 2.2 * near, 0, 1)
    cloudy = 0.05 * fbm(canvas, rng, 0.3, octaves=4)
    steps = tone * 5 + cloudy * 5
    flat = np.floor(steps) + smoothstep(0.22, 0.78, steps - np.floor(steps))
    depth = (1 - np.clip(flat / 5, 0, 1)) ** 1.25
    pool = blurred(depth, 0.01 * canvas.unit) - depth
    colourful = canvas.rgb.max(axis=2) - canvas.rgb.min(axis=2)
    tint = canvas.rgb - grey[..., None]
    tint *= 1.5 * smoothstep(0.3, 0.62, colourful)[..., None]
    np.clip(tint, -0.4, 0.4, out=tint)
    canvas.rgb[:] = PAPER.rgb()
    canvas.fill(INK, np.clip(0.86 * depth + 0.5 * np.clip(-pool, 0, 1), 0, 0.96))
    canvas.rgb += tint


def lines(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("lines")
    wobble = fbm(canvas, rng, 0.05, octaves=3) * np.float32(0.004 * canvas.unit)
    grey = shifted(luminance(canvas.rgb), wobble, wobble)
    fine = blurred(grey, max(0.0022 * canvas.unit, 0.8))
    edge = blurred(grey, max(0.006 * canvas.unit, 1.8)) - fine
    dry = fbm(canvas, rng, 0.01, octaves=3, gain=0.8)
    canvas.fill(INK, 0.9 * smoothstep(0.032, 0.075, edge + 0.01 * dry))


def paper(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("paper")
    fibres = fbm(canvas, rng, 0.008, octaves=3, gain=0.75, stretch=4)
    stain = fbm(canvas, rng, 0.7, octaves=4)
    canvas.rgb *= (1 + 0.03 * fibres + 0.025 * stain)[..., None]
    _seal(canvas, rng)


def _seal(canvas: Canvas, rng: np.random.Generator) -> None:
    """The painter's red stamp in a corner."""
    size = 0.062
    side = 1 if rng.random() < 0.5 else -1
    x, y = side * (canvas.right - 1.5 * size), canvas.bottom - 1.6 * size
    u, v = (canvas.x - x) / (size / 2), (canvas.y - y) / (size / 2)
    stamp = canvas.cover((1 - np.maximum(np.abs(u), np.abs(v))) * size / 2)
    strokes = np.zeros_like(stamp)
    for _ in range(3):
        a, b = rng.uniform(-0.6, 0.6, 2).tolist()
        strokes = np.maximum(strokes, (np.abs(u - a) < 0.1) & (np.abs(v) < 0.72))
        strokes = np.maximum(strokes, (np.abs(v - b) < 0.1) & (np.abs(u) < 0.72))
    worn = np.clip(1 - 0.5 * np.clip(fbm(canvas, rng, 0.02, octaves=3), 0, 1), 0, 1)
    canvas.fill(Colour(0.53, 0.19, 28), 0.92 * stamp * (1 - 0.85 * strokes) * worn)
