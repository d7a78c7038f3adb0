import math

import numpy as np

from shared.generators.painter.canvas import Canvas, smoothstep
from shared.generators.painter.colour import Colour, Ramp
from shared.generators.painter.noise import fbm, shifted
from shared.generators.painter.scene import Scene
from shared.generators.painter.sky import planet, scatter


def void(canvas: Canvas, scene: Scene) -> None:
    """Deep darkness with a nebula: clouds of gas bent by clouds."""
    rng = scene.dice.stream("void")
    colours = [colour.vivid(0.9) for colour in scene.palette.accents]
    night = Colour(0.13, 0.045, colours[0].hue)
    canvas.rgb[:] = night.rgb()
    bend = fbm(canvas, rng, 0.55, octaves=4)
    swirl = fbm(canvas, rng, 0.55, octaves=4)
    gas = fbm(canvas, rng, 0.62, octaves=7, gain=0.55)
    gas = shifted(gas, 0.13 * canvas.unit * bend, 0.13 * canvas.unit * swirl)
    angle = rng.uniform(0, math.pi)
    lane = canvas.x * math.cos(angle) + (canvas.y - canvas.bottom / 2) * math.sin(angle)
    dense = np.clip(0.42 + 0.62 * gas - 0.75 * lane**2 + 0.2 * bend, 0, 1)
    ramp = Ramp(
        [
            (0, night),
            (0.3, colours[0]._replace(lightness=0.3)),
            (0.58, colours[1]._replace(lightness=0.5, chroma=0.17)),
            (0.8, colours[2]._replace(lightness=0.74, chroma=0.14)),
            (1, Colour(0.97, 0.04, colours[2].hue)),
        ]
    )
    canvas.rgb[:] = ramp.at(dense)
    dust = smoothstep(0.05, 0.75, shifted(swirl, 0, 0.1 * canvas.unit * gas))
    canvas.fill(night.lighter(-0.05), 0.72 * dust * dense)


def starfield(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("starfield")
    scatter(canvas, rng, 0.0, canvas.bottom, 330)


def galaxy(canvas: Canvas, scene: Scene) -> None:
    """A spiral seen aslant, somewhere off the middle."""
    rng = scene.dice.stream("galaxy")
    x, y = (
        float(rng.uniform(-0.35, 0.35)) * canvas.right,
        canvas.bottom * float(rng.uniform(0.25, 0.6)),
    )
    lean, squeeze, size = rng.uniform(0, math.pi), rng.uniform(0.35, 0.8), rng.uniform(0.16, 0.3)
    dx, dy = canvas.x - x, canvas.y - y
    u = (dx * math.cos(lean) + dy * math.sin(lean)) / size
    v = (dy * math.cos(lean) - dx * math.sin(lean)) / (size * squeeze)
    away = np.hypot(u, v) + 1e-4
    grain = fbm(canvas, rng, 0.11, octaves=5)
    arms = 0.5 + 0.5 * np.cos(2 * np.arctan2(v, u) - 5.2 * np.log(away + 0.08) + 0.8 * grain)
    light = np.exp(-away * 1.15) * (0.2 + 0.95 * arms**1.6) * (1 + 0.5 * grain)
    canvas.glow(scene.palette.accents[1].lighter(0.14).rgb(), np.clip(0.95 * light, 0, 1))
    canvas.glow(Colour(0.97, 0.05, 80).rgb(), np.clip(1.1 * np.exp(-away * 4.2), 0, 1))


def planets(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("planets")
    for place in range(int(rng.integers(1, 3))):
        radius = float(rng.uniform(0.15, 0.3)) / (1 + 2.2 * place)
        x = float(rng.uniform(-0.75, 0.75)) * canvas.right
        y = canvas.bottom * float(rng.uniform(0.2, 0.85))
        turn = 150.0 * place
        colours = tuple(colour.turned(turn).vivid(0.8) for colour in scene.palette.accents)
        planet(canvas, rng, x, y, radius, colours)
