import math

import numpy as np

from shared.generators.painter.canvas import Canvas
from shared.generators.painter.noise import fbm, profile
from shared.generators.painter.scene import Scene
from shared.generators.painter.shapes import Mask, Point


def conifers(
    canvas: Canvas, scene: Scene, depth: float, *, base: float, height: float, gaps: float = 0.0
) -> None:
    """A row of firs: `depth` 0 is pale and far; `gaps` of the width stay open."""
    rng = scene.dice.stream(f"conifers {depth:.2f}")
    ground = base + 0.05 * height * profile(canvas, rng, 0.5, octaves=3)
    open_ = profile(canvas, rng, 0.8, octaves=2)
    mask = Mask(canvas, base - 1.5 * height)
    x, limit = -canvas.right - 0.1, -0.55 + 1.1 * gaps
    while x < canvas.right + 0.1:
        x += height * float(rng.uniform(0.07, 0.2))
        column = min(max(int((x + canvas.right) * canvas.unit), 0), canvas.width - 1)
        tall = height * float(rng.uniform(0.5, 1.15)) * (1 if open_[column] > limit else 0)
        if tall:
            mask.polygon(_fir(rng, x, float(ground[column]) + 0.02, tall))
    cover = np.maximum(mask.field(), canvas.cover(canvas.y - ground)[mask.top :])
    colour = scene.palette.leaf.toward(scene.palette.dark, 0.25 + 0.5 * depth)
    colour = colour.toward(scene.palette.haze, 0.72 * (1 - depth))
    canvas.fill(colour, cover, top=mask.top)
    mist = np.clip((canvas.y[mask.top :] - base + 0.4 * height) / (0.7 * height), 0, 1)
    canvas.fill(scene.palette.haze, cover * mist * np.float32(0.5 * (1 - depth)), top=mask.top)
    if scene.weather == "snow" or scene.place == "snowfield":
        frost = np.clip(fbm(canvas, rng, 0.016, octaves=3)[mask.top :] * 2, 0, 1)
        canvas.fill(scene.palette.cloud.lighter(0.08), 0.65 * cover * frost, top=mask.top)


def _fir(rng: np.random.Generator, x: float, foot: float, tall: float) -> list[Point]:
    tiers = 9
    spread = tall * float(rng.uniform(0.13, 0.2))
    left: list[Point] = []
    right: list[Point] = []
    for tier in range(1, tiers + 1):
        y = foot - tall * (1 - tier / (tiers + 0.6))
        reach = spread * (tier / tiers) ** 0.85
        jitter = rng.uniform(0.75, 1.2, 2).tolist()
        left += [(x - reach * jitter[0], y), (x - reach * 0.42, y - 0.012 * tall)]
        right += [(x + reach * jitter[1], y), (x + reach * 0.42, y - 0.012 * tall)]
    trunk = 0.018 * tall
    return [(x, foot - tall), *right, (x + trunk, foot), (x - trunk, foot), *reversed(left)]


def broadleaf(canvas: Canvas, scene: Scene, *, x: float, foot: float, height: float) -> None:
    """One big tree near the eye: branches that fork, leaves in three tones."""
    rng = scene.dice.stream(f"tree {x:.2f}")
    wood = Mask(canvas, foot - 1.6 * height, foot + 0.02)
    tips: list[Point] = []
    lean = -90 + float(rng.uniform(-9, 9))
    _branch(rng, wood, tips, (x, foot), lean, 0.3 * height, 0.05 * height, 7)
    canvas.fill(scene.palette.dark.toward(scene.palette.rock, 0.25), wood.field(), top=wood.top)
    bare = scene.place == "snowfield" or "gloomy" in scene.meaning.moods
    if not bare:
        _foliage(canvas, scene, rng, tips, foot, height)


def _branch(
    rng: np.random.Generator,
    mask: Mask,
    tips: list[Point],
    start: Point,
    angle: float,
    length: float,
    width: float,
    left: int,
) -> None:
    turn = math.radians(angle)
    end = (start[0] + length * math.cos(turn), start[1] + length * math.sin(turn))
    mask.line([start, end], width)
    if left <= 4:
        tips.append(end)
    if not left:
        return
    for side in (-1, 1):
        bend = side * float(rng.uniform(12, 38))
        shorter = length * float(rng.uniform(0.68, 0.86))
        _branch(rng, mask, tips, end, angle + bend, shorter, width * 0.68, left - 1)


def _foliage(
    canvas: Canvas,
    scene: Scene,
    rng: np.random.Generator,
    tips: list[Point],
    foot: float,
    height: float,
) -> None:
    leaf = scene.palette.leaf
    tones = (
        leaf.toward(scene.palette.dark, 0.45),
        leaf.turned(float(rng.uniform(-10, 10))),
        leaf.toward(scene.palette.light, 0.35).lighter(0.04),
    )
    for layer, tone in enumerate(tones):
        mask = Mask(canvas, foot - 1.9 * height, foot + 0.1)
        lift = 0.016 * height * layer
        for tip_x, tip_y in tips:
            for dx, dy, size in rng.normal(0, 1, (3 - layer // 2, 3)).tolist():
                radius = height * (0.022 - 0.006 * layer) * (1 + 0.35 * abs(size))
                reach = 0.035 * height
                mask.ellipse(
                    tip_x + reach * dx - lift, tip_y + reach * dy - lift, radius, radius * 0.8
                )
        canvas.fill(tone, 0.92 * mask.field(), top=mask.top)


def trunks(canvas: Canvas, scene: Scene, depth: float) -> None:
    """Bare stems through the whole picture, as seen from within a wood."""
    rng = scene.dice.stream(f"trunks {depth:.2f}")
    foot = scene.horizon * canvas.bottom + (0.06 + 0.3 * depth**2) * (canvas.bottom * 0.55)
    mask = Mask(canvas)
    count = int((11 - 7 * depth) * 2 * canvas.right) + 1
    for across, width, lean in rng.uniform(-1, 1, (count, 3)).tolist():
        thick = (0.012 + 0.045 * depth**1.5) * (1 + 0.45 * width)
        x = across * canvas.right
        top = (x + 0.08 * lean, -0.02)
        sway = (x + 0.05 * lean, foot * 0.5)
        _stem(mask, top, sway, (x, foot + 0.03 * abs(width)), thick)
        for _ in range(3):
            y = foot * float(rng.uniform(0.1, 0.6))
            side = 1 if rng.random() < 0.5 else -1
            mask.line([(x, y), (x + side * thick * 5, y - thick * 3.5)], thick * 0.16)
    colour = scene.palette.dark.toward(scene.palette.rock, 0.3).toward(
        scene.palette.haze, 0.8 * (1 - depth)
    )
    cover = mask.field()
    bark = fbm(canvas, rng, 0.1, octaves=5, stretch=0.07, gain=0.7)
    canvas.fill(colour, cover)
    canvas.fill(scene.palette.light, cover * np.clip(bark * 0.4, 0, 0.25) * np.float32(depth))


def _stem(mask: Mask, top: Point, middle: Point, foot: Point, thick: float) -> None:
    mask.polygon(
        [
            (top[0] - 0.3 * thick, top[1]),
            (top[0] + 0.3 * thick, top[1]),
            (middle[0] + 0.42 * thick, middle[1]),
            (foot[0] + 0.6 * thick, foot[1] - 2 * thick),
            (foot[0] + 1.1 * thick, foot[1]),
            (foot[0] - 1.1 * thick, foot[1]),
            (foot[0] - 0.6 * thick, foot[1] - 2 * thick),
            (middle[0] - 0.42 * thick, middle[1]),
        ]
    )


def sunbeams(canvas: Canvas, scene: Scene) -> None:
    """Shafts of light that fan out from the sun."""
    rng = scene.dice.stream("sunbeams")
    x, y = (scene.light_x * 2 - 1) * canvas.right, -0.25
    angle = np.arctan2(canvas.x - x, canvas.y - y)
    phase = rng.uniform(0, 6, 3).tolist()
    shafts = (
        np.sin(angle * 19 + phase[0])
        + np.sin(angle * 31 + phase[1])
        + np.sin(angle * 53 + phase[2])
    )
    fade = np.exp(-np.hypot(canvas.x - x, canvas.y - y) / 0.8)
    canvas.glow(scene.palette.light.rgb(), 0.42 * np.clip(shafts * 0.5, 0, 1) * fade)
