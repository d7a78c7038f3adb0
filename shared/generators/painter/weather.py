import math

import numpy as np

from shared.generators.painter.canvas import Canvas
from shared.generators.painter.noise import fbm
from shared.generators.painter.scene import Scene
from shared.generators.painter.shapes import Mask


def rain(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("rain")
    slant = float(rng.uniform(-0.35, 0.35)) * (0.4 + scene.energy)
    mask = Mask(canvas)
    count = int((240 + 300 * scene.energy) * 2 * canvas.right * canvas.bottom)
    for across, down, size in rng.random((count, 3)).tolist():
        x, y = (across * 2.4 - 1.2) * canvas.right, (down * 1.1 - 0.1) * canvas.bottom
        long = 0.03 + 0.07 * size
        mask.line(
            [(x, y), (x + slant * long, y + long)], 0.0011 + 0.001 * size, 90 + int(120 * size)
        )
    veil = np.clip(0.5 + 0.6 * fbm(canvas, rng, 0.6, octaves=2), 0, 1)
    canvas.fill(scene.palette.haze, 0.16 * veil)
    canvas.fill(scene.palette.light.lighter(0.05), 0.42 * mask.field())


def snow(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("snowfall")
    mask = Mask(canvas)
    count = int(330 * 2 * canvas.right * canvas.bottom)
    for across, down, size in rng.random((count, 3)).tolist():
        radius = 0.0014 + 0.0062 * size**5
        x, y = (across * 2 - 1) * canvas.right, down * canvas.bottom
        mask.ellipse(x, y, radius, radius, 150 + int(100 * (1 - size**4)))
    canvas.fill(scene.palette.light._replace(lightness=0.98, chroma=0.01), 0.9 * mask.field())


def fog(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("fog")
    wisps = fbm(canvas, rng, 0.5, octaves=4, stretch=4, gain=0.42)
    middle = scene.horizon * canvas.bottom
    bank = np.exp(-(((canvas.y - middle - 0.1) / 0.2) ** 2))
    canvas.fill(
        scene.palette.haze.lighter(0.06), np.clip(bank * (0.34 + 0.42 * wisps) + 0.06, 0, 0.9)
    )


def fireflies(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("fireflies")
    start = scene.horizon * canvas.bottom
    for across, down, size in rng.random((int(30 * canvas.right) + 3, 3)).tolist():
        x = (across * 2 - 1) * canvas.right
        y = start + down * (canvas.bottom - start) * 0.9 - 0.1
        radius = 0.006 + 0.012 * size
        reach = 5 * radius
        top, end = canvas.row(y - reach), canvas.row(y + reach)
        away = np.hypot(canvas.x - x, canvas.y[top:end] - y)
        tint = scene.palette.light._replace(lightness=0.93, chroma=0.14)
        canvas.glow(tint.rgb(), 0.9 * np.exp(-((away / radius) ** 1.3)), top=top)


def vignette(canvas: Canvas, scene: Scene) -> None:
    u, v = canvas.x / canvas.right, canvas.y / canvas.bottom * 2 - 1
    edge = np.clip((u**2 + v**2) / 2, 0, 1) ** math.e
    canvas.fill(scene.palette.dark.lighter(-0.06), 0.32 * edge)
