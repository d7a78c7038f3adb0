"""Abstract pictures, painted when no word of the prompt names a thing."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from shared.generators.painter.canvas import Canvas
from shared.generators.painter.colour import Colour, Field, Ramp, even_ramp
from shared.generators.painter.layers import Layer
from shared.generators.painter.noise import blurred, fbm, shifted
from shared.generators.painter.scene import Scene
from shared.generators.painter.shapes import Mask

Motif = Callable[[Canvas, Scene, np.random.Generator], None]


def layers(scene: Scene) -> list[Layer]:
    """A ground, one big motif and a quieter second one, all chosen by the dice."""
    rng = scene.dice.stream("abstract")
    first, second = rng.permutation(len(MOTIFS)).tolist()[:2]
    grounds: list[Motif] = [_gradient, _marble, _agate]
    ground = grounds[int(rng.integers(len(grounds)))]
    steps: list[Layer] = [partial(_run, ground, scene, "ground")]
    steps.append(partial(_run, MOTIFS[first], scene, "first"))
    if rng.random() < 0.55:
        steps.append(partial(_run, MOTIFS[second], scene, "second"))
    steps.append(partial(_run, _sparks, scene, "sparks"))
    return steps


def _run(motif: Motif, scene: Scene, name: str, canvas: Canvas) -> None:
    motif(canvas, scene, scene.dice.stream(name))


def _ramp(scene: Scene, rng: np.random.Generator) -> Ramp:
    """Five tones from deep to bright through the accents, or the other way round."""
    a, b, c = scene.palette.accents
    deep = a._replace(lightness=float(rng.uniform(0.16, 0.34)), chroma=min(a.chroma, 0.1))
    pale = c._replace(lightness=float(rng.uniform(0.9, 0.97)), chroma=0.05)
    tones = [deep, a, b, c, pale]
    return even_ramp(*(tones if rng.random() < 0.6 else reversed(tones)))


def _gradient(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    angle = rng.uniform(0, 2 * math.pi)
    along = canvas.x * math.cos(angle) + (canvas.y - canvas.bottom / 2) * math.sin(angle)
    drift = fbm(canvas, rng, 0.9, octaves=3)
    canvas.rgb[:] = _ramp(scene, rng).at(0.5 + 0.75 * along + 0.28 * drift)


def _warped(canvas: Canvas, rng: np.random.Generator, wavelength: float, bend: float) -> Field:
    push = fbm(canvas, rng, wavelength, octaves=4) * np.float32(bend * canvas.unit)
    pull = fbm(canvas, rng, wavelength, octaves=4) * np.float32(bend * canvas.unit)
    field = fbm(canvas, rng, wavelength, octaves=6)
    return shifted(shifted(field, push, pull), 0.6 * pull, 0.6 * push)


def _marble(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    field = _warped(canvas, rng, float(rng.uniform(0.5, 0.9)), 0.22)
    canvas.rgb[:] = _ramp(scene, rng).at(0.5 + 0.6 * field)
    vein = np.exp(-np.abs(shifted(field, 0.02 * canvas.unit, 0)) * 34)
    canvas.fill(scene.palette.accents[2].lighter(0.25), 0.55 * vein)


def _agate(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    x, y = rng.uniform(-0.6, 0.6) * canvas.right, rng.uniform(0.2, 0.8) * canvas.bottom
    rings = canvas.distance(float(x), float(y)) + 0.2 * _warped(canvas, rng, 0.7, 0.08)
    bands = rings * rng.uniform(3, 6)
    step = bands - np.floor(bands)
    tone = 0.5 + 0.5 * np.sin(np.floor(bands) * 2.4 + rng.uniform(0, 6)) * 0.8 + 0.2 * step
    canvas.rgb[:] = _ramp(scene, rng).at(tone)
    canvas.fill(scene.palette.accents[1].lighter(0.22), 0.6 * np.exp(-step / 0.05))


def _flow(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Long threads that follow a slow current."""
    current = fbm(canvas, rng, float(rng.uniform(0.6, 1.2)), octaves=2)
    base = rng.uniform(0, 2 * math.pi)
    ramp = _ramp(scene, rng)
    for tone in range(7):
        mask = Mask(canvas)
        for _ in range(int(42 * canvas.right * canvas.bottom) + 8):
            start = rng.uniform(-1.1, 1.1, 2)
            x, y = start[0] * canvas.right, (start[1] + 1) / 2 * canvas.bottom
            width = 0.0015 + 0.008 * float(rng.random()) ** 4
            mask.line(_thread(canvas, current, x, y, base), width, 235)
        canvas.blend(ramp.at(tone / 6), 0.85 * mask.field())


def _thread(
    canvas: Canvas, current: Field, x: float, y: float, base: float
) -> list[tuple[float, float]]:
    points = [(x, y)]
    for _ in range(26):
        column = min(max(int((x + canvas.right) * canvas.unit), 0), canvas.width - 1)
        row = min(max(int(y * canvas.unit), 0), canvas.height - 1)
        angle = base + 2.6 * float(current[row, column])
        x, y = x + 0.02 * math.cos(angle), y + 0.02 * math.sin(angle)
        points.append((x, y))
    return points


def _orbs(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Balls of light and glass, large ones first."""
    sizes = sorted(rng.uniform(0.04, 0.3, int(rng.integers(6, 13))).tolist(), reverse=True)
    for place, radius in enumerate(sizes):
        x, y = (rng.uniform(-1, 1) * canvas.right, rng.uniform(0.05, 0.95) * canvas.bottom)
        u, v = (canvas.x - x) / radius, (canvas.y - y) / radius
        away = np.hypot(u, v)
        colour = scene.palette.accents[place % 3].turned(rng.uniform(-20, 20))
        tone = even_ramp(colour.lighter(0.24), colour, colour.lighter(-0.28).turned(25))
        shade = np.clip(np.hypot(u + 0.4, v + 0.45) / 1.5, 0, 1)
        canvas.fill(
            scene.palette.dark, 0.4 * np.exp(-np.maximum(np.hypot(u - 0.15, v - 0.25) - 0.9, 0) * 6)
        )
        canvas.blend(tone.at(shade), canvas.cover((1 - away) * radius))
        canvas.glow(
            colour.lighter(0.3).rgb(),
            0.5 * np.exp(-((away - 0.93) ** 2) / 0.002) * np.clip(u + v, 0, 1),
        )


def _waves(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Cut-paper waves one behind the other, each with its shadow."""
    ramp = _ramp(scene, rng)
    count = int(rng.integers(6, 11))
    lean = rng.uniform(-0.5, 0.5)
    for step in range(count):
        a, b = rng.uniform(0, 6.3, 2).tolist()
        crest = canvas.bottom * (0.12 + 0.95 * step / count)
        amplitude = rng.uniform(0.03, 0.1)
        line = (
            crest + amplitude * np.sin(canvas.x * rng.uniform(2.5, 6) + a) + 0.3 * lean * canvas.x
        )
        line += 0.4 * amplitude * np.sin(canvas.x * rng.uniform(7, 13) + b)
        below = canvas.y - line
        canvas.fill(scene.palette.dark.lighter(-0.1), 0.42 * np.exp(-np.abs(below + 0.01) / 0.03))
        tone = ramp.at(step / (count - 1) + 0.16 * np.clip(below, 0, 1))
        canvas.blend(tone, canvas.cover(below))


def _petals(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """A mandala of leaves around one heart."""
    x, y = rng.uniform(-0.25, 0.25) * canvas.right, canvas.bottom * rng.uniform(0.4, 0.6)
    fold = int(rng.integers(5, 13))
    ramp = _ramp(scene, rng)
    away = canvas.distance(float(x), float(y))
    angle = np.arctan2(canvas.y - y, canvas.x - x)
    rings = int(rng.integers(5, 8))
    for ring in range(rings, 0, -1):
        reach = 0.62 * ring / rings
        turn = angle * fold + math.pi * (ring % 2) + rng.uniform(-0.3, 0.3)
        edge = reach * (0.66 + 0.34 * np.abs(np.cos(turn / 2)) ** 0.8)
        canvas.fill(
            scene.palette.dark.lighter(-0.1), 0.35 * np.exp(-np.maximum(away - edge, 0) / 0.02)
        )
        tone = ramp.at(ring / rings * 0.85 + 0.4 * (away - reach) + 0.08 * np.cos(turn))
        canvas.blend(tone, canvas.cover(edge - away))


def _shards(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """A fan of large facets, as of cut glass."""
    total = np.zeros((canvas.height, canvas.width), np.float32)
    for _ in range(int(rng.integers(9, 15))):
        angle, offset = rng.uniform(0, 2 * math.pi), rng.uniform(-0.45, 0.45)
        side = (
            canvas.x * math.cos(angle) + (canvas.y - canvas.bottom / 2) * math.sin(angle) - offset
        )
        total += canvas.cover(side) * np.float32(rng.uniform(-0.26, 0.26))
        total += np.float32(0.05) * np.exp(-np.abs(side) / 0.012)
        total += np.float32(0.07) * side
    canvas.blend(_ramp(scene, rng).at(0.5 + total), 0.86)


def _rings(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Discs, arcs and bars set against each other."""
    for place in range(int(rng.integers(8, 15))):
        x, y = rng.uniform(-1, 1) * canvas.right, rng.uniform(0, 1) * canvas.bottom
        radius = float(rng.uniform(0.06, 0.3))
        away = canvas.distance(float(x), float(y))
        colour = scene.palette.accents[place % 3].lighter(float(rng.uniform(-0.22, 0.2)))
        kind = rng.random()
        if kind < 0.4:
            shape = canvas.cover(radius - away)
        elif kind < 0.75:
            shape = canvas.cover(0.12 * radius - np.abs(away - radius))
        else:
            angle = rng.uniform(0, math.pi)
            shape = canvas.cover(radius - away) * canvas.cover(
                (canvas.x - x) * math.cos(angle) + (canvas.y - y) * math.sin(angle)
            )
        canvas.fill(colour, 0.9 * shape)


def _ribbons(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    """Silk bands that shine where they turn."""
    for place in range(5):
        colour = scene.palette.accents[place % 3]
        a, b, c = rng.uniform(0, 6.3, 3).tolist()
        rise = canvas.bottom * rng.uniform(0.15, 0.85)
        line = (
            rise
            + 0.2 * np.sin(canvas.x * rng.uniform(1.5, 3.5) + a)
            + 0.06 * np.sin(canvas.x * 6 + b)
        )
        wide = 0.03 + 0.1 * (0.5 + 0.5 * np.sin(canvas.x * rng.uniform(2, 5) + c))
        across = (canvas.y - line) / wide
        sheen = 0.5 + 0.32 * across + 0.22 * np.sin(across * 5 + canvas.x * 9 + a)
        tone = even_ramp(colour.lighter(0.25), colour, colour.lighter(-0.3).turned(30)).at(sheen)
        canvas.fill(scene.palette.dark, 0.35 * np.exp(-np.maximum(np.abs(across - 0.2) - 1, 0) * 5))
        canvas.blend(tone, canvas.cover((1 - np.abs(across)) * wide))


def _sparks(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    mask = Mask(canvas)
    for _ in range(int(70 * canvas.right * canvas.bottom)):
        x, y = rng.uniform(-1, 1) * canvas.right, rng.uniform(0, 1) * canvas.bottom
        size = 0.0012 + 0.005 * float(rng.random()) ** 6
        mask.ellipse(float(x), float(y), size, size)
    light = mask.field()
    halo = blurred(light, 0.012 * canvas.unit)
    tint = Colour(0.97, 0.06, scene.palette.accents[1].hue).rgb()
    canvas.glow(tint, np.clip(0.7 * light + 1.2 * halo, 0, 1))


MOTIFS: list[Motif] = [_flow, _orbs, _waves, _petals, _shards, _rings, _ribbons]
