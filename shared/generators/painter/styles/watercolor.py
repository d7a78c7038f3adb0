"""Watercolour: pale washes with wet edges, pigment in the paper's grain, an unpainted border."""

import numpy as np

from shared.generators.painter.canvas import Canvas, smoothstep
from shared.generators.painter.colour import Colour, luminance
from shared.generators.painter.noise import blurred, fbm, shifted
from shared.generators.painter.scene import Scene

WHITE = Colour(0.975, 0.012, 90)


def bleed(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("bleed")
    wide = fbm(canvas, rng, 0.09, octaves=4) * np.float32(0.006 * canvas.unit)
    high = fbm(canvas, rng, 0.09, octaves=4) * np.float32(0.006 * canvas.unit)
    wet = shifted(canvas.rgb, wide, high)
    runs = smoothstep(-0.1, 0.6, fbm(canvas, rng, 0.4, octaves=3))[..., None]
    for channel in range(3):
        soft = blurred(wet[..., channel], 0.016 * canvas.unit)
        wet[..., channel] += 0.75 * runs[..., 0] * (soft - wet[..., channel])
    canvas.rgb[:] = wet


def pigment(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("pigment")
    grey = luminance(canvas.rgb)
    edge = blurred(grey, 0.012 * canvas.unit) - blurred(grey, 0.003 * canvas.unit)
    blooms = fbm(canvas, rng, 0.28, octaves=5)
    grains = fbm(canvas, rng, 0.007, octaves=2, gain=0.8)
    thin = 0.3 + 0.14 * blooms - 1.6 * np.clip(edge, -0.05, 0.12) - 0.05 * grains * (1 - grey)
    for channel in range(3):
        plane = canvas.rgb[..., channel]
        canvas.rgb[..., channel] = np.clip(plane + 0.3 * (plane - grey), 0, 1) ** 0.82
    canvas.blend(WHITE.rgb(), np.clip(thin, 0.02, 0.85))


def paper(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("paper")
    tooth = fbm(canvas, rng, 0.009, octaves=3, gain=0.7)
    canvas.rgb *= (1 + 0.035 * (tooth - shifted(tooth, 1, 1)))[..., None]
    frayed = 0.009 * fbm(canvas, rng, 0.12, octaves=6, gain=0.6)
    inside = np.minimum(
        np.minimum(canvas.x + canvas.right, canvas.right - canvas.x),
        np.minimum(canvas.y, canvas.bottom - canvas.y),
    )
    inside = inside + frayed - 0.035
    rim = np.exp(-((inside / 0.006) ** 2)) * (inside > 0)
    canvas.rgb *= (1 - 0.16 * rim)[..., None]
    canvas.fill(WHITE, smoothstep(0.004, -0.004, inside))
    canvas.rgb += (0.018 * tooth)[..., None]
