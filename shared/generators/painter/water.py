import numpy as np

from shared.generators.painter.canvas import Canvas, smoothstep
from shared.generators.painter.colour import Field
from shared.generators.painter.noise import Lattice, shifted
from shared.generators.painter.scene import Scene
from shared.generators.painter.sky import light_place


def surface(canvas: Canvas, scene: Scene, *, mirror: float) -> None:
    """Water from the horizon down; `mirror` 0 is open sea and 1 a still lake."""
    top = canvas.row(scene.horizon * canvas.bottom)
    near = _nearness(canvas, top)
    waves = _waves(canvas, scene, top)
    reflected = _reflection(canvas, top, waves, near, 0.25 + scene.energy)
    depth = scene.palette.water.toward(scene.palette.dark, 0.15)
    share = (1 - mirror) * 0.55 + 0.12 + 0.3 * near
    reflected += (depth.rgb() - reflected) * np.clip(share, 0, 0.85)[..., None]
    canvas.rgb[top:] = reflected
    swell = waves * (0.35 + 0.65 * near) * np.float32(0.5 + 0.5 * scene.energy)
    canvas.fill(
        scene.palette.water.toward(scene.palette.horizon, 0.6), 0.5 * np.clip(swell, 0, 1), top=top
    )
    canvas.fill(
        scene.palette.water.toward(scene.palette.dark, 0.7), 0.5 * np.clip(-swell, 0, 1), top=top
    )
    _glitter(canvas, scene, waves, near, top)


def _nearness(canvas: Canvas, top: int) -> Field:
    """0 at the horizon, 1 at the lower edge; one column."""
    rows = canvas.height - top
    return np.linspace(0, 1, max(rows, 1), dtype=np.float32)[:rows, None]


def _waves(canvas: Canvas, scene: Scene, top: int) -> Field:
    """Crests and troughs, -1…1, seen in perspective: they narrow and calm toward the horizon."""
    rng = scene.dice.stream("waves")
    below = canvas.y[top:] - canvas.y[top - 1 if top else 0] + 0.012
    distance = 0.35 / below
    total = np.zeros((canvas.height - top, canvas.width), np.float32)
    weight, scale = 0.62, 1.6 + 2.2 * (1 - scene.energy)
    for octave in range(4):
        cells = distance * scale * 3.4
        fine = 3.4 * scale * 0.35 / (below**2 * canvas.unit)  # cells in one pixel row
        visible = np.clip(1.4 - fine, 0, 1)
        total += (
            weight
            * visible
            * Lattice(rng).at(canvas.x * distance * scale * 1.1 + octave * 9, cells)
        )
        weight, scale = weight * 0.62, scale * 2.1
    return total


def _reflection(canvas: Canvas, top: int, waves: Field, near: Field, rough: float) -> Field:
    rows = canvas.height - top
    mirrored = canvas.rgb[:top][::-1]
    if not top:
        return np.broadcast_to(canvas.rgb[:1], (rows, canvas.width, 3)).copy()
    reach = np.minimum(np.arange(rows) * (0.95 * top / max(rows, top)), top - 1).astype(np.int32)
    still = mirrored[reach]
    push = waves * (0.004 + 0.05 * near) * np.float32(rough * canvas.unit)
    return shifted(still, 0.6 * push, push)


def _glitter(canvas: Canvas, scene: Scene, waves: Field, near: Field, top: int) -> None:
    if scene.weather in ("rain", "storm", "fog"):
        return
    x, _ = light_place(canvas, scene)
    width = 0.05 + 0.22 * near
    path = np.exp(-(((canvas.x - x) / width) ** 2))
    spark = smoothstep(0.0, 0.3, waves + 0.15 * (1 - near))
    canvas.glow(scene.palette.light.rgb(), 0.85 * path * spark * (1 - 0.4 * near), top=top)


def shore(canvas: Canvas, scene: Scene) -> None:
    """A strip of beach in a lower corner, with a line of foam."""
    rng = scene.dice.stream("shore")
    side = 1 if rng.random() < 0.5 else -1
    depth = canvas.bottom * (1 - scene.horizon)
    slant = side * canvas.x / canvas.right
    edge = canvas.bottom - depth * (0.16 + 0.24 * slant)
    edge = edge + 0.018 * np.sin(canvas.x * 9 + rng.uniform(0, 6)) + 0.008 * np.sin(canvas.x * 23)
    top = canvas.row(canvas.bottom - depth * 0.55)
    inside = (canvas.y - edge)[top:]
    sand = scene.palette.land.toward(scene.palette.light, 0.25)
    grain = Lattice(rng).at(canvas.x * 60, canvas.y[top:] * 130)
    canvas.fill(sand.toward(scene.palette.dark, 0.35), canvas.cover(inside), top=top)
    canvas.fill(sand, canvas.cover(inside - 0.05) * (0.9 + 0.1 * grain), top=top)
    foam = np.exp(-((inside / 0.012) ** 2)) * np.clip(0.8 + 0.5 * grain, 0, 1)
    canvas.fill(scene.palette.cloud.lighter(0.1), 0.9 * foam, top=top)
