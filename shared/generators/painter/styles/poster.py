"""Screen print: five flat inks, halftone between them, a border of paper."""

import numpy as np

from shared.generators.painter.canvas import Canvas, smoothstep
from shared.generators.painter.colour import Colour, Field, Ramp, luminance
from shared.generators.painter.noise import blurred, fbm
from shared.generators.painter.scene import Scene

INKS = 5
DOT = 0.0085
PAPER = Colour(0.955, 0.025, 88)


def flatten(canvas: Canvas, scene: Scene) -> None:
    """Smooth away details that a screen print could not show."""
    for channel in range(3):
        plane = canvas.rgb[..., channel]
        soft = blurred(plane, 0.006 * canvas.unit)
        plane += (soft - plane) * np.exp(-((soft - plane) ** 2) * 60)
        softer = blurred(plane, 0.012 * canvas.unit)
        plane += (softer - plane) * np.exp(-((softer - plane) ** 2) * 240)


def halftone(canvas: Canvas, scene: Scene) -> None:
    grey = luminance(canvas.rgb)
    low, high = np.quantile(grey[::4, ::4], [0.01, 0.985]).tolist()
    near = grey - blurred(grey, 0.09 * canvas.unit)  # separates colours of equal lightness
    tone = np.clip((grey - low) / max(high - low, 0.05) + 0.9 * near, 0, 1) * (INKS - 1)
    level = np.floor(tone)
    rest = tone - level
    shade = (level + _step(rest, _dots(canvas))) / (INKS - 1)
    canvas.rgb -= grey[..., None]  # what is left is the hue
    canvas.rgb *= 0.6
    canvas.rgb += _inks(scene).at(shade)


def _step(rest: Field, dots: Field) -> Field:
    return np.clip((1.5 * (rest - 0.5) + 0.5 - dots) * 5 + 0.5, 0, 1)


def _dots(canvas: Canvas) -> Field:
    """A screen at 45 degrees, 0…1; if it would be too fine, plain steps replace it."""
    if DOT * canvas.unit < 3:
        return np.full((canvas.height, canvas.width), 0.5, np.float32)
    scale = np.float32(np.pi / DOT / np.sqrt(2))
    u, v = (canvas.x + canvas.y) * scale, (canvas.x - canvas.y) * scale
    return 0.5 + 0.5 * np.cos(u) * np.cos(v)


def _inks(scene: Scene) -> Ramp:
    palette = scene.palette
    deep = Colour(0.24, 0.08, palette.zenith.hue)
    cool = palette.zenith._replace(lightness=0.44, chroma=0.13)
    warm = palette.accents[0]._replace(lightness=0.64, chroma=0.15)
    bright = palette.horizon._replace(lightness=0.82, chroma=0.11)
    return Ramp([(0, deep), (0.25, cool), (0.5, warm), (0.75, bright), (1, PAPER)])


def frame(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("frame")
    worn = fbm(canvas, rng, 0.012, octaves=4, gain=0.75)
    canvas.fill(PAPER, 0.5 * smoothstep(1.2, 1.7, worn))
    inside = np.minimum(
        np.minimum(canvas.x + canvas.right, canvas.right - canvas.x),
        np.minimum(canvas.y, canvas.bottom - canvas.y),
    )
    canvas.fill(PAPER, canvas.cover(0.042 - inside))
    line = canvas.cover(0.0022 - np.abs(inside - 0.03))
    canvas.fill(Colour(0.24, 0.08, scene.palette.zenith.hue), line)
    canvas.rgb *= (1 + 0.012 * worn)[..., None]
