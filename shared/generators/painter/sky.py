import math

import numpy as np

from shared.generators.painter.canvas import Canvas, smoothstep
from shared.generators.painter.colour import Colour, Field, Ramp
from shared.generators.painter.noise import fbm, profile, shifted
from shared.generators.painter.scene import Scene

STARS_PER_UNIT = 260
CLOUD_COVER = {
    "clear": 0.55,
    "clouds": 0.12,
    "rain": -0.35,
    "storm": -0.4,
    "snow": -0.2,
    "fog": 0.1,
}


def light_place(canvas: Canvas, scene: Scene) -> tuple[float, float]:
    x = (scene.light_x * 2 - 1) * canvas.right
    return x, scene.light_y * scene.horizon * canvas.bottom


def gradient(canvas: Canvas, scene: Scene) -> None:
    palette, rng = scene.palette, scene.dice.stream("sky gradient")
    ramp = Ramp([(0, palette.zenith), (0.52, palette.middle), (1, palette.horizon)])
    height = canvas.y / (scene.horizon * canvas.bottom)
    drift = fbm(canvas, rng, 0.9, octaves=3, stretch=2.5)
    canvas.rgb[:] = ramp.at(height + 0.05 * drift)


def stars(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("stars")
    depth = scene.horizon * canvas.bottom
    band = fbm(canvas, scene.dice.stream("milky way"), 0.5, octaves=5)
    slope, offset = rng.uniform(-0.9, 0.9), rng.uniform(0.25, 0.6) * depth
    across = (canvas.y - offset - slope * canvas.x) / 0.16
    milky = np.exp(-(across**2)) * np.clip(0.55 + 0.8 * band, 0, 1)
    canvas.glow(scene.palette.horizon.lighter(0.2).rgb(), 0.32 * milky)
    scatter(canvas, rng, 0.0, depth, STARS_PER_UNIT)


def scatter(
    canvas: Canvas, rng: np.random.Generator, top: float, bottom: float, density: float
) -> None:
    """Strew stars over a band of the picture, few of them bright."""
    count = int(density * 2 * canvas.right * (bottom - top))
    places = rng.random((count, 4))
    for across, down, brightness, warmth in places.tolist():
        size = (0.0007 + 0.0024 * brightness**9) * (1.15 if brightness > 0.97 else 1)
        x = (across * 2 - 1) * canvas.right
        y = top + down**1.2 * (bottom - top)
        tint = Colour(0.97, 0.05, 60 + 200 * warmth).rgb()
        _star(canvas, x, y, max(size, 0.45 / canvas.unit), tint, 0.25 + 0.75 * brightness**2)


def _star(canvas: Canvas, x: float, y: float, size: float, tint: Field, light: float) -> None:
    reach = max(math.ceil(3.2 * size * canvas.unit), 1)
    column, row = int((x + canvas.right) * canvas.unit), int(y * canvas.unit)
    rows = slice(max(row - reach, 0), row + reach + 1)
    columns = slice(max(column - reach, 0), column + reach + 1)
    patch = canvas.rgb[rows, columns]
    spread = ((canvas.x[:, columns] - x) ** 2 + (canvas.y[rows] - y) ** 2) / size**2
    patch += (light * np.exp(-spread * 0.7))[..., None] * tint * (1 - patch)


def sun(canvas: Canvas, scene: Scene) -> None:
    x, y = light_place(canvas, scene)
    radius = float(scene.dice.stream("sun").uniform(0.045, 0.085))
    if scene.time in ("dawn", "sunset"):
        radius *= 1.5
    away = canvas.distance(x, y)
    veiled = 0.45 if scene.weather in ("rain", "storm", "fog") else 1.0
    warm = scene.palette.light.toward(scene.palette.horizon, 0.4).rgb()
    canvas.glow(warm, veiled * (0.55 * np.exp(-away / 0.16) + 0.35 * np.exp(-away / 0.5)))
    canvas.fill(scene.palette.light, veiled * canvas.cover(radius - away))


def moon(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("moon")
    x, y = light_place(canvas, scene)
    radius = float(rng.uniform(0.05, 0.1))
    away = canvas.distance(x, y)
    canvas.glow(scene.palette.light.rgb(), 0.34 * np.exp(-away / 0.1) + 0.2 * np.exp(-away / 0.4))
    disc = canvas.cover(radius - away)
    if rng.random() < 0.45:  # a crescent
        bite = canvas.distance(x + radius * rng.uniform(0.35, 0.6), y - 0.18 * radius)
        disc = disc * canvas.cover(bite - 0.92 * radius)
    seas = np.clip(fbm(canvas, rng, 0.07, octaves=3), 0, 1)
    canvas.fill(scene.palette.light, disc)
    canvas.fill(scene.palette.light.lighter(-0.16), 0.8 * disc * seas)


def clouds(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("clouds")
    cover = CLOUD_COVER[scene.weather] + rng.uniform(-0.16, 0.2) - 0.1 * scene.energy
    depth = scene.horizon * canvas.bottom
    cells = fbm(
        canvas, rng, rng.uniform(0.26, 0.5), octaves=6, gain=0.52, stretch=rng.uniform(1.6, 3.4)
    )
    bend = 0.06 * canvas.unit * fbm(canvas, rng, 0.35, octaves=2)
    cells = shifted(cells, bend, 0.5 * bend)
    cells += 0.22 * np.cos(np.clip(canvas.y / depth, 0, 1) * math.pi * 1.5)
    density = smoothstep(cover, cover + 0.5, cells)
    x, y = light_place(canvas, scene)
    toward = 0.03 * canvas.unit * math.copysign(1, x)
    lit = np.clip(0.55 + 1.1 * (cells - shifted(cells, toward, -0.03 * canvas.unit)), 0, 1)
    lit *= np.clip(1.15 - 0.35 * canvas.distance(x, y), 0.5, 1)
    body = Ramp(
        [(0, scene.palette.shade), (0.6, scene.palette.cloud), (1, scene.palette.light)]
    ).at(lit)
    canvas.blend(body, density * np.float32(0.88 if scene.time != "night" else 0.6))


def aurora(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("aurora")
    depth = scene.horizon * canvas.bottom
    hue = float(rng.uniform(140, 175))
    for curtain in range(3):
        base = depth * rng.uniform(0.45, 0.85) + 0.13 * profile(canvas, rng, 0.7, octaves=4)
        folds = np.clip(0.5 + 0.7 * profile(canvas, rng, 0.22, octaves=5, gain=0.65), 0, 1)
        rise = (base - canvas.y) / (0.22 + 0.1 * curtain)
        light = folds * np.exp(-np.maximum(rise, 0) * 1.5) * smoothstep(-0.12, 0.04, rise)
        low = Colour(0.88, 0.2, hue + 8 * curtain).rgb()
        high = Colour(0.65, 0.22, hue + 150).rgb()
        canvas.glow(low, 0.62 * light * np.exp(-np.maximum(rise, 0)))
        canvas.glow(high, 0.4 * light * smoothstep(0.2, 1.4, rise))


def rainbow(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("rainbow")
    radius = 0.62 * max(canvas.right, 0.6)
    x = float(rng.uniform(-0.3, 0.3)) * canvas.right
    away = canvas.distance(x, scene.horizon * canvas.bottom + 0.06)
    place = (radius - away) / 0.09
    bow = Ramp(
        [(n / 5, Colour(0.8, 0.17, hue)) for n, hue in enumerate((25, 60, 100, 150, 255, 305))]
    )
    band = smoothstep(0, 0.15, place) * smoothstep(1, 0.85, place)
    canvas.blend(bow.at(place), 0.55 * band)


def lightning(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("lightning")
    x, bottom = float(rng.uniform(-0.7, 0.7)) * canvas.right, scene.horizon * canvas.bottom
    steps = 26
    path = x + np.cumsum(rng.normal(0, 0.022, steps))
    column = np.interp(canvas.y[:, 0], np.linspace(0, bottom, steps), path).astype(np.float32)
    away = np.abs(canvas.x - column[:, None])
    reach = smoothstep(bottom + 0.01, bottom - 0.01, canvas.y)
    canvas.glow(
        Colour(0.85, 0.09, 290).rgb(),
        reach * (0.5 * np.exp(-away / 0.06) + 0.2 * np.exp(-away / 0.3)),
    )
    canvas.glow(Colour(0.99, 0.01, 290).rgb(), reach * canvas.cover(0.004 - away))


def distant_planet(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("planet")
    x = float(rng.uniform(-0.6, 0.6)) * canvas.right
    y = float(rng.uniform(0.25, 0.6)) * scene.horizon * canvas.bottom
    planet(canvas, rng, x, y, float(rng.uniform(0.14, 0.24)), scene.palette.accents)


def planet(
    canvas: Canvas,
    rng: np.random.Generator,
    x: float,
    y: float,
    radius: float,
    colours: tuple[Colour, ...],
) -> None:
    """A banded ball lit from one side; every second one has a ring."""
    u, v = (canvas.x - x) / radius, (canvas.y - y) / radius
    away = np.hypot(u, v)
    facing = np.sqrt(np.clip(1 - away**2, 0, 1))
    angle = rng.uniform(0, 2 * math.pi)
    lit = np.clip(0.75 * (u * math.cos(angle) - abs(math.sin(angle)) * v) + 0.65 * facing, 0.03, 1)
    swirl = fbm(canvas, rng, radius * 0.9, octaves=5, stretch=2.4)
    bands = 0.5 + 0.3 * np.sin(v * rng.uniform(5, 11) + 1.6 * swirl) + 0.25 * swirl
    surface = Ramp(
        [(0, colours[0].lighter(-0.12)), (0.5, colours[1]), (1, colours[2].lighter(0.1))]
    ).at(bands)
    surface *= lit[..., None]
    canvas.glow(colours[1].rgb(), 0.35 * np.exp(-np.maximum(away - 1, 0) * 5))
    ringed, tilt = rng.random() < 0.55, rng.uniform(0.18, 0.4)
    lean = rng.uniform(-0.4, 0.4)
    along, across = u + lean * v, (v - lean * u) / tilt
    orbit = np.hypot(along, across)
    ring = smoothstep(1.3, 1.36, orbit) * smoothstep(2.15, 2.05, orbit) * ringed
    ring *= 0.55 + 0.4 * np.sin(orbit * 26)
    canvas.fill(colours[2].lighter(0.12), 0.7 * np.clip(ring, 0, 1) * (across < 0))
    canvas.blend(surface, canvas.cover((1 - away) * radius))
    canvas.fill(colours[2].lighter(0.12), 0.8 * np.clip(ring, 0, 1) * (across >= 0))
