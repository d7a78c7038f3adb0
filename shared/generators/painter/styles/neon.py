"""Neon: the scene at midnight, its edges drawn as glowing tubes."""

import numpy as np

from shared.generators.painter.canvas import Canvas, smoothstep
from shared.generators.painter.colour import Colour, Field, Ramp, luminance
from shared.generators.painter.noise import blurred, fbm
from shared.generators.painter.scene import Scene


def darken(canvas: Canvas, scene: Scene) -> None:
    base = scene.palette.accents[0].hue
    grey = luminance(canvas.rgb)
    low, high = np.quantile(grey[::4, ::4], [0.03, 0.98]).tolist()
    tone = np.clip((grey - low) / max(high - low, 0.05), 0, 1)
    night = Ramp(
        [
            (0, Colour(0.1, 0.05, base - 50)),
            (0.45, Colour(0.23, 0.12, base - 25)),
            (0.75, Colour(0.4, 0.19, base + 15)),
            (1, Colour(0.68, 0.22, base + 60)),
        ]
    )
    hue = canvas.rgb - grey[..., None]
    canvas.rgb[:] = night.at(tone**1.15)
    canvas.rgb += 0.55 * hue


def tubes(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("tubes")
    base = scene.palette.accents[0].hue
    edge = smoothstep(0.09, 0.3, _contours(canvas))
    turn = np.clip(0.5 + 0.5 * fbm(canvas, rng, 0.7, octaves=2), 0, 1)
    light = Ramp(
        [(n / 3, Colour(0.8, 0.22, base + hue)) for n, hue in enumerate((0, 80, 170, 235))]
    )
    tint = light.at(turn)
    canvas.rgb *= 0.82
    canvas.blend(tint, 0.92 * edge)
    core = smoothstep(0.55, 1.0, edge)
    canvas.blend(np.ones(3, np.float32), 0.55 * core)


def _contours(canvas: Canvas) -> Field:
    """How sharply tone or hue changes relative to its surroundings: dim corners have edges too."""
    change = np.zeros((canvas.height, canvas.width), np.float32)
    for channel in range(3):
        fine = blurred(canvas.rgb[..., channel], max(0.0028 * canvas.unit, 1.0))
        down, across = np.gradient(fine)
        change += np.hypot(down, across)
    around = blurred(luminance(canvas.rgb), 0.08 * canvas.unit)
    change *= np.float32(0.6 * (canvas.unit / 512) ** 0.5)
    return change / (0.09 + np.clip(around, 0, 1))


def bloom(canvas: Canvas, scene: Scene) -> None:
    np.clip(canvas.rgb, 0, 1, out=canvas.rgb)
    for channel in range(3):
        plane = canvas.rgb[..., channel]
        bright = plane * plane
        light = 0.5 * blurred(bright, 0.012 * canvas.unit) + 0.55 * blurred(
            bright, 0.05 * canvas.unit
        )
        np.clip(light, 0, 1, out=light)
        plane += light * (1 - plane)
    scan = 0.5 + 0.5 * np.cos(canvas.y * 2 * np.pi * 128)
    if canvas.unit >= 384:  # finer lines than a pixel could only shimmer
        canvas.rgb *= (1 - 0.07 * scan)[..., None]
