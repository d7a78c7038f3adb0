"""Ground that fills the lower part: dunes, meadows in flower, snow."""

import math

import numpy as np

from shared.generators.painter.canvas import Canvas, smoothstep
from shared.generators.painter.colour import Colour
from shared.generators.painter.noise import Lattice, fbm, profile, shifted
from shared.generators.painter.scene import Scene
from shared.generators.painter.shapes import Mask, smooth
from shared.generators.painter.sky import light_place

FLOWER_ROWS = 15


def dune(canvas: Canvas, scene: Scene, depth: float, *, base: float, height: float) -> None:
    """One dune: a sharp crest between a lit and a shaded flank, ripples on the lit one."""
    rng = scene.dice.stream(f"dune {depth:.2f}")
    ridge = base - height * profile(canvas, rng, rng.uniform(0.7, 1.2), octaves=2, gain=0.3)
    below = canvas.y - ridge
    top = max(canvas.row(float(ridge.min())) - 1, 0)
    side = math.copysign(1.0, light_place(canvas, scene)[0])
    lean = rng.uniform(0.5, 1.1) * (1 if rng.random() < 0.5 else -1)
    slope = np.gradient(ridge) * canvas.unit * side
    flank = np.broadcast_to(slope[None, :], (canvas.height, canvas.width))
    drift = 0.05 * fbm(canvas, rng, 0.5, octaves=2)
    flank = shifted(flank, (0.9 * below + drift) * canvas.unit * np.float32(lean), 0)
    face = smoothstep(-0.05, 0.05, flank + 0.04)
    wind = Lattice(rng).at(canvas.x * 5, canvas.y * 7)
    ripple = np.sin((below * 85 + canvas.x * 16 + 3.2 * wind) / (0.5 + 0.7 * depth))
    sand = scene.palette.land.turned(rng.uniform(-8, 8)).toward(
        scene.palette.haze, 0.6 * (1 - depth)
    )
    lit = sand.vivid(1.15).toward(scene.palette.light, 0.22).rgb()
    dark = sand.toward(scene.palette.dark, 0.45).toward(scene.palette.zenith, 0.15).rgb()
    tone = np.clip(0.08 + 0.8 * face + 0.05 * ripple * (0.3 + face) * depth, 0, 1)
    tone *= np.clip(1.05 - 0.6 * below, 0.35, 1)
    body = dark + tone[..., None] * (lit - dark)
    canvas.blend(body[top:], canvas.cover(below)[top:], top=top)


def snow(canvas: Canvas, scene: Scene, *, base: float) -> None:
    rng = scene.dice.stream("snow ground")
    ridge = base - 0.05 * profile(canvas, rng, 1.0, octaves=3, gain=0.35)
    below = canvas.y - ridge
    drifts = fbm(canvas, rng, 0.4, octaves=4, stretch=3.5, gain=0.42)
    white = scene.palette.land.lighter(0.03)
    blue = white.toward(scene.palette.zenith, 0.5)
    tone = np.clip(0.68 + 0.42 * drifts - 0.25 * np.clip(below, 0, 1), 0, 1)
    body = blue.rgb() + tone[..., None] * (white.rgb() - blue.rgb())
    canvas.blend(body, canvas.cover(below))


def flowers(canvas: Canvas, scene: Scene, *, base: float, rows: range) -> None:
    """Blooms that grow toward the eye, painted row by row so that near ones overlap far ones."""
    colours = _bloom_colours(scene)
    depth = canvas.bottom - base
    for row in rows:
        rng = scene.dice.stream(f"flowers {row}")
        near = (row + 0.5) / FLOWER_ROWS
        y = base + depth * (0.04 + 1.02 * near**1.5)
        size = 0.004 + 0.032 * near**1.6
        _grass(canvas, scene, rng, y, size, near)
        for kind, colour in enumerate(colours):
            _bloom_row(canvas, scene, rng, y, size, near, colour, kind)


def _bloom_colours(scene: Scene) -> list[Colour]:
    night = scene.time == "night"
    named = scene.meaning.blooms
    mixed = [*scene.meaning.colours, *scene.palette.accents][:3]
    chosen = [*named, *(colour.lighter(0.06).turned(-8) for colour in named)] or mixed
    return [colour.lighter(-0.14 if night else 0.02) for colour in chosen]


def _grass(
    canvas: Canvas, scene: Scene, rng: np.random.Generator, y: float, size: float, near: float
) -> None:
    mask = Mask(canvas, y - 6 * size, y + 3 * size)
    count = int(0.9 * canvas.right / size)
    for across, tall, lean in rng.uniform(-1, 1, (count, 3)).tolist():
        x, reach = across * canvas.right, size * (3 + 1.5 * tall)
        foot = y + 2.5 * size
        tip = (x + lean * size * 1.6, foot - reach - size)
        mask.polygon([(x - 0.16 * size, foot), tip, (x + 0.16 * size, foot)])
    blade = scene.palette.land.turned(float(rng.uniform(-16, 16))).toward(
        scene.palette.dark, 0.5 * near
    )
    canvas.fill(blade.lighter(float(rng.uniform(-0.06, 0.07))), 0.85 * mask.field(), top=mask.top)


def _bloom_row(
    canvas: Canvas,
    scene: Scene,
    rng: np.random.Generator,
    y: float,
    size: float,
    near: float,
    colour: Colour,
    kind: int,
) -> None:
    petals = Mask(canvas, y - 3.5 * size, y + 3 * size)
    hearts = Mask(canvas, y - 3.5 * size, y + 3 * size)
    count = int(0.42 * canvas.right / size) + 1
    for across, drop, scale, turn in rng.uniform(-1, 1, (count, 4)).tolist():
        x, bloom = across * canvas.right, size * (1 + 0.3 * scale)
        _bloom(petals, x, y + drop * size * 1.4, bloom, turn, 5 + 2 * (kind % 2))
        hearts.ellipse(x, y + drop * size * 1.4, 0.26 * bloom, 0.2 * bloom)
    haze = 0.45 * (1 - near)
    tone = colour.turned(float(rng.uniform(-9, 9))).toward(scene.palette.haze, haze)
    cover = petals.field()
    canvas.fill(tone, cover, top=petals.top)
    lit = tone.lighter(0.05)
    canvas.fill(
        lit,
        0.5 * np.clip(cover - np.roll(cover, -max(int(size * canvas.unit * 0.3), 1), 0), 0, 1),
        top=petals.top,
    )
    heart = Colour(0.35, 0.06, 60) if colour.lightness > 0.62 else Colour(0.85, 0.15, 90)
    canvas.fill(heart.toward(scene.palette.haze, haze), hearts.field() * cover, top=petals.top)


def _bloom(mask: Mask, x: float, y: float, size: float, turn: float, petals: int) -> None:
    outline = []
    for step in range(petals * 2):
        angle = math.pi * (step / petals + turn)
        reach = size * (1.0 if step % 2 == 0 else 0.42)
        outline.append((x + reach * math.cos(angle), y + 0.72 * reach * math.sin(angle)))
    mask.polygon(smooth(outline, 4) if size > 0.012 else outline)
