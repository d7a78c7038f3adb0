import math
from itertools import pairwise

import numpy as np

from shared.generators.painter.canvas import Canvas
from shared.generators.painter.colour import Ramp
from shared.generators.painter.noise import fbm, profile
from shared.generators.painter.scene import Scene
from shared.generators.painter.shapes import Mask


def depths(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("depths")
    water = scene.palette.water._replace(lightness=0.5, chroma=0.11)
    tint = scene.meaning.colours[:1] or [water]
    water = water.toward(tint[0]._replace(lightness=0.5), 0.6)
    top = water.lighter(0.36 if scene.time != "night" else 0.12).turned(-25)
    ramp = Ramp([(0, top), (0.35, water.lighter(0.06)), (1, water.lighter(-0.28).turned(18))])
    drift = fbm(canvas, rng, 0.7, octaves=4)
    canvas.rgb[:] = ramp.at(canvas.y / canvas.bottom + 0.06 * drift)


def rays(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("rays")
    x = (scene.light_x * 2 - 1) * canvas.right
    angle = np.arctan2(canvas.x - x, canvas.y + 0.35)
    a, b, c = rng.uniform(0, 6, 3).tolist()
    shafts = np.sin(angle * 17 + a) + np.sin(angle * 29 + b) + np.sin(angle * 47 + c)
    fade = np.exp(-canvas.y / (0.45 * canvas.bottom))
    canvas.glow(scene.palette.light.rgb(), 0.33 * np.clip(shafts * 0.55, 0, 1) * fade)
    canvas.glow(scene.palette.light.rgb(), 0.5 * np.exp(-canvas.distance(x, -0.1) / 0.22))


def reef(canvas: Canvas, scene: Scene, depth: float) -> None:
    """Rock with corals and weeds on it; `depth` 1 is nearest."""
    rng = scene.dice.stream(f"reef {depth:.2f}")
    base = canvas.bottom * (0.76 + 0.14 * depth)
    ridge = base - 0.12 * profile(canvas, rng, 0.7, octaves=5)
    water = scene.palette.water._replace(lightness=0.42)
    rock = scene.palette.rock.lighter(-0.12).toward(water, 0.75 * (1 - depth))
    corals = list(scene.palette.accents)
    for kind in range(5):
        mask = Mask(canvas, base - 0.55, canvas.bottom)
        for _ in range(max(int(3 * canvas.right), 1)):
            x = float(rng.uniform(-1, 1)) * canvas.right
            column = min(max(int((x + canvas.right) * canvas.unit), 0), canvas.width - 1)
            foot, size = (
                float(ridge[column]) + 0.02,
                float(rng.uniform(0.08, 0.2)) * (0.6 + 0.5 * depth),
            )
            _growth(rng, mask, x, foot, size, kind)
        tone = corals[kind % 3].turned(24 * (kind // 3)).toward(water, 0.66 * (1 - depth) + 0.12)
        canvas.fill(tone, mask.field(), top=mask.top)
    texture = fbm(canvas, rng, 0.12, octaves=5)
    canvas.fill(rock, canvas.cover(canvas.y - ridge))
    canvas.fill(rock.lighter(0.16), canvas.cover(canvas.y - ridge) * np.clip(0.5 * texture, 0, 0.5))


def _growth(
    rng: np.random.Generator, mask: Mask, x: float, foot: float, size: float, kind: int
) -> None:
    if kind in (0, 3):
        _coral(rng, mask, x, foot, -90.0, 0.42 * size, 0.12 * size, 5)
    elif kind in (1, 4):
        for _ in range(5):
            _weed(rng, mask, x + float(rng.normal(0, 0.2)) * size, foot, size * 1.7)
    else:
        for _ in range(6):
            dx, dy = rng.normal(0, 0.35, 2).tolist()
            mask.ellipse(x + dx * size, foot + 0.2 * dy * size, 0.34 * size, 0.3 * size)


def _coral(
    rng: np.random.Generator,
    mask: Mask,
    x: float,
    y: float,
    angle: float,
    length: float,
    width: float,
    left: int,
) -> None:
    turn = math.radians(angle)
    end = (x + length * math.cos(turn), y + length * math.sin(turn))
    mask.line([(x, y), end], width)
    mask.ellipse(*end, width / 2, width / 2)
    if left:
        for side in (-1, 1):
            bend = side * float(rng.uniform(14, 42))
            _coral(rng, mask, *end, angle + bend, length * 0.78, width * 0.78, left - 1)


def _weed(rng: np.random.Generator, mask: Mask, x: float, foot: float, tall: float) -> None:
    phase, sway = rng.uniform(0, 6), rng.uniform(0.05, 0.14) * tall
    points = [
        (x + sway * math.sin(phase + step * 0.8) * step / 10, foot - tall * step / 10)
        for step in range(11)
    ]
    for step, (start, end) in enumerate(pairwise(points)):
        mask.line([start, end], 0.05 * tall * (1 - step / 11))


def bubbles(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("bubbles")
    for across, down, size in rng.random((int(26 * canvas.right) + 4, 3)).tolist():
        x, y = (across * 2 - 1) * canvas.right, down * canvas.bottom
        radius = 0.003 + 0.014 * size**4
        mask = Mask(canvas, y - 2 * radius, y + 2 * radius)
        mask.ellipse(x, y, radius, radius, 90)
        mask.ellipse(x - 0.3 * radius, y - 0.3 * radius, 0.35 * radius, 0.35 * radius, 255)
        canvas.fill(scene.palette.light, 0.7 * mask.field(), top=mask.top)
