import numpy as np

from shared.generators.painter.canvas import Canvas
from shared.generators.painter.colour import Colour
from shared.generators.painter.scene import Scene
from shared.generators.painter.shapes import Mask

LIT_SHARE = {"night": 0.5, "sunset": 0.32, "dawn": 0.2, "day": 0.0}


def skyline(canvas: Canvas, scene: Scene, depth: float, *, base: float, height: float) -> None:
    """A row of buildings standing on `base`; near ones have windows."""
    rng = scene.dice.stream(f"skyline {depth:.2f}")
    walls = Mask(canvas, base - 1.75 * height, base + 0.01)
    panes = Mask(canvas, base - 1.75 * height, base + 0.01)
    shades = Mask(canvas, base - 1.75 * height, base + 0.01)
    lit_share = LIT_SHARE[scene.time]
    downtown = float(rng.uniform(-0.5, 0.5)) * canvas.right
    x = -canvas.right - 0.02
    while x < canvas.right:
        wide = float(rng.uniform(0.045, 0.12)) * (0.55 + 0.6 * depth)
        crowd = float(np.exp(-(((x - downtown) / (0.7 * canvas.right)) ** 2)))
        tall = height * float(rng.uniform(0.3, 0.75) + 0.65 * crowd * rng.random() ** 1.5)
        walls.box(x, base - tall, x + wide, base + 0.02)
        shades.box(x + 0.62 * wide, base - tall, x + wide, base + 0.02)
        _roof(rng, walls, x, wide, base - tall)
        if depth > 0.25:
            _windows(rng, panes, x, wide, base, tall, lit_share)
        x += wide * float(rng.uniform(0.9, 1.25))
    wall = scene.palette.dark.toward(scene.palette.zenith, 0.3).toward(
        scene.palette.haze, 0.75 * (1 - depth)
    )
    if scene.time == "day":
        wall = wall.toward(scene.palette.cloud, 0.35)
    if "city" in scene.meaning.bound:
        wall = wall.toward(scene.meaning.bound["city"], 0.6)
    cover = walls.field()
    canvas.fill(wall, cover, top=walls.top)
    canvas.fill(wall.lighter(-0.06), 0.8 * cover * shades.field(), top=walls.top)
    low = np.clip((canvas.y - base + 0.8 * height) / height, 0, 1)[
        walls.top : walls.top + cover.shape[0]
    ]
    canvas.fill(scene.palette.haze, cover * low * np.float32(0.5 - 0.3 * depth), top=walls.top)
    pane = Colour(0.88, 0.13, 80) if lit_share else wall.lighter(-0.1)
    canvas.fill(pane, panes.field() * cover * np.float32(0.55 + 0.4 * depth), top=walls.top)


def _roof(rng: np.random.Generator, walls: Mask, x: float, wide: float, top: float) -> None:
    kind, middle = rng.random(), x + wide / 2
    if kind < 0.2:
        walls.line([(middle, top), (middle, top - wide * 0.9)], 0.004)
    elif kind < 0.38:
        walls.polygon([(x, top), (middle, top - wide * 0.8), (x + wide, top)])
    elif kind < 0.6:
        walls.box(x + 0.2 * wide, top - 0.25 * wide, x + 0.8 * wide, top)
    elif kind < 0.68:
        walls.ellipse(middle, top, wide * 0.42, wide * 0.42)


def _windows(
    rng: np.random.Generator,
    panes: Mask,
    x: float,
    wide: float,
    base: float,
    tall: float,
    lit_share: float,
) -> None:
    columns = max(int(wide / 0.017), 2)
    rows = max(int(tall / 0.024), 2)
    share = lit_share * float(rng.uniform(0.4, 1.4)) if lit_share else 0.85
    lit = rng.random((rows, columns))
    step_x, step_y = wide / (columns + 0.5), tall / (rows + 0.5)
    for row, column in np.argwhere(lit < share).tolist():
        left, top = x + step_x * (column + 0.45), base - tall + step_y * (row + 0.5)
        tone = 130 + int(125 * lit[row, column] / share)
        panes.box(left, top, left + 0.55 * step_x, top + 0.5 * step_y, tone)


def street(canvas: Canvas, scene: Scene) -> None:
    """The dark ground before the houses, wet enough to carry their light."""
    base = scene.horizon * canvas.bottom
    ground = scene.palette.dark.toward(scene.palette.zenith, 0.25)
    top = canvas.row(base)
    fade = np.clip((canvas.y[top:] - base) / 0.4, 0, 1)
    canvas.fill(
        ground, np.broadcast_to(0.12 + 0.22 * fade, (canvas.height - top, canvas.width)), top=top
    )
