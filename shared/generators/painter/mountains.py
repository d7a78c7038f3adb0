import math

import numpy as np

from shared.generators.painter.canvas import Canvas, smoothstep
from shared.generators.painter.colour import Colour, Field
from shared.generators.painter.noise import fbm, profile, shifted
from shared.generators.painter.scene import Scene
from shared.generators.painter.sky import light_place

EMBER = Colour(0.72, 0.2, 42)


def range_(canvas: Canvas, scene: Scene, depth: float, *, base: float, height: float) -> None:
    """One range of mountains: `depth` 0 is far and hazy, 1 near; base and height in units."""
    rng = scene.dice.stream(f"mountains {depth:.2f}")
    ridge = base - height * _heights(canvas, scene, rng, depth)
    below = canvas.y - ridge
    top = max(canvas.row(float(ridge.min())) - 1, 0)
    colour = scene.palette.rock.toward(scene.palette.land, 0.25 + 0.5 * depth)
    colour = colour.toward(scene.palette.dark, 0.35 * depth)
    colour = colour.toward(scene.palette.haze, 0.62 - 0.5 * depth)
    light = _light(canvas, scene, rng, ridge)
    body = _shaded(colour, scene, light, 0.35 + 0.5 * depth)
    if scene.shows("snowcaps") or scene.place == "snowfield" or rng.random() < 0.45:
        _snow(body, scene, light, below, height, depth)
    mist = np.clip(below / (height * 1.15), 0, 1) ** 1.7 * np.float32(0.6 - 0.3 * depth)
    _misted(body, scene, mist)
    canvas.blend(body[top:], canvas.cover(below)[top:], top=top)


def _heights(canvas: Canvas, scene: Scene, rng: np.random.Generator, depth: float) -> Field:
    rough = 0.42 + 0.14 * scene.energy
    peaks = profile(canvas, rng, rng.uniform(0.5, 0.85), octaves=8, gain=rough, ridged=True)
    swell = profile(canvas, rng, 1.1, octaves=2)
    heights: Field = np.clip(1.25 * peaks - 0.1 + 0.28 * swell, 0.04, 1.3)
    return heights * np.float32(1 - 0.35 * depth)


def _light(canvas: Canvas, scene: Scene, rng: np.random.Generator, ridge: Field) -> Field:
    """How much each spot faces the light, -1…1: slopes of a crumpled sheet below the ridge."""
    folds = 1 - np.abs(fbm(canvas, rng, 0.2, octaves=6, gain=0.55))
    hang = ridge - float(ridge.mean())
    folds = shifted(folds, 0, -(hang[None, :]) * canvas.unit)
    side = math.copysign(1.0, light_place(canvas, scene)[0])
    step = max(0.008 * canvas.unit, 1.0)
    slope = folds - shifted(folds, side * step, -0.6 * step)
    across = np.gradient(ridge) * canvas.unit
    light: Field = np.clip(3.2 * slope + 0.35 * np.tanh(across * side)[None, :], -1, 1)
    return light


def _shaded(colour: Colour, scene: Scene, light: Field, strength: float) -> Field:
    lit = colour.toward(scene.palette.light, 0.28).rgb() - colour.rgb()
    dark = colour.toward(scene.palette.dark, 0.5).rgb() - colour.rgb()
    body = np.empty((*light.shape, 3), np.float32)
    for channel, base in enumerate(colour.rgb()):  # by channel: a third of the memory
        body[..., channel] = base + np.maximum(light, 0) * (lit[channel] * strength)
        body[..., channel] += np.maximum(-light, 0) * (dark[channel] * strength)
    return body


def _snow(
    body: Field, scene: Scene, light: Field, below: Field, height: float, depth: float
) -> None:
    snow = scene.palette.cloud.lighter(0.04).toward(scene.palette.haze, 0.35 - 0.2 * depth)
    shade = snow.toward(scene.palette.zenith, 0.45)
    amount = smoothstep(0.42 * height, 0.1 * height, below - 0.12 * height * light)
    facing = np.clip(0.55 + 0.9 * light, 0, 1)
    for channel, (low, high) in enumerate(zip(shade.rgb(), snow.rgb(), strict=True)):
        plane = body[..., channel]
        plane += (low + facing * (high - low) - plane) * (np.float32(0.92) * amount)


def _misted(body: Field, scene: Scene, mist: Field) -> None:
    for channel, tone in enumerate(scene.palette.haze.rgb()):
        plane = body[..., channel]
        plane += (tone - plane) * mist


def cone(canvas: Canvas, scene: Scene, *, base: float, height: float) -> None:
    """A single cone: snow on it, or a glowing mouth and a plume."""
    rng = scene.dice.stream("cone")
    x = float(rng.uniform(-0.4, 0.4)) * canvas.right
    away = np.abs(canvas.x[0] - x)
    rough = 0.03 * profile(canvas, rng, 0.15)
    ridge = base - height * np.minimum(1.0, 1.35 * np.exp(-away / (0.75 * height))) + rough * height
    light = _light(canvas, scene, rng, ridge)
    if scene.shows("volcano"):
        _plume(canvas, scene, rng, x, base - height)
    colour = scene.palette.rock.toward(scene.palette.dark, 0.3).toward(scene.palette.zenith, 0.25)
    body = _shaded(colour, scene, light, 0.7)
    if not scene.shows("volcano"):
        _snow(body, scene, light, canvas.y - (base - height), 1.5 * height, 0.6)
    mist = np.clip((canvas.y - base + 0.6 * height) / (0.7 * height), 0, 1)
    _misted(body, scene, 0.7 * mist)
    canvas.blend(body, canvas.cover(canvas.y - ridge))
    if scene.shows("volcano"):
        _lava(canvas, rng, x, ridge, base - height, height)


def _plume(canvas: Canvas, scene: Scene, rng: np.random.Generator, x: float, summit: float) -> None:
    billows = fbm(canvas, rng, 0.22, octaves=5)
    spread = 0.05 + 0.4 * np.clip(summit - canvas.y, 0, 1)
    smoke = np.exp(-(((canvas.x - x - 0.25 * (summit - canvas.y)) / spread) ** 2))
    smoke *= smoothstep(0.02, -0.03, canvas.y - summit) * np.clip(0.6 + 0.7 * billows, 0, 1)
    canvas.fill(scene.palette.shade.lighter(-0.08), 0.75 * smoke)
    canvas.glow(EMBER.rgb(), 0.9 * np.exp(-canvas.distance(x, summit) / 0.09))


def _lava(
    canvas: Canvas,
    rng: np.random.Generator,
    x: float,
    ridge: Field,
    summit: float,
    height: float,
) -> None:
    meander = 0.09 * fbm(canvas, rng, 0.22, octaves=5)
    away = np.abs(canvas.x - x - meander - 0.25 * (canvas.y - summit) * math.copysign(1, x))
    stream = smoothstep(0.03, 0.0, away) * smoothstep(0.75 * height, 0, canvas.y - summit)
    canvas.glow(EMBER.rgb(), stream * canvas.cover(canvas.y - ridge))


def hills(canvas: Canvas, scene: Scene, depth: float, *, base: float, height: float) -> None:
    """Soft rolling ground, grass-striped toward the eye."""
    rng = scene.dice.stream(f"hills {depth:.2f}")
    ridge = base - height * profile(canvas, rng, rng.uniform(0.8, 1.5), octaves=3, gain=0.35)
    below = canvas.y - ridge
    top = max(canvas.row(float(ridge.min())) - 1, 0)
    colour = scene.palette.land.turned(rng.uniform(-14, 14)).lighter(rng.uniform(-0.05, 0.04))
    colour = colour.toward(scene.palette.haze, 0.6 * (1 - depth)).toward(
        scene.palette.dark, 0.22 * depth
    )
    grass = fbm(canvas, rng, 0.05 + 0.05 * depth, octaves=5, gain=0.65)
    side = math.copysign(1.0, light_place(canvas, scene)[0])
    roll = np.tanh(np.gradient(ridge) * canvas.unit * side * 3)[None, :]
    light = np.clip(0.4 * roll + 0.55 * grass - 1.1 * np.clip(below - 0.05, 0, 0.5), -1, 1)
    light += 0.6 * np.exp(-np.maximum(below, 0) / 0.03)  # the rim that catches the light
    body = _shaded(colour, scene, light, 0.55)
    canvas.blend(body[top:], canvas.cover(below)[top:], top=top)
