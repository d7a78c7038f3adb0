"""Mosaic: every tile one colour, cut at random, set in dark grout."""

import numpy as np
import numpy.typing as npt

from shared.generators.painter.canvas import Canvas, smoothstep
from shared.generators.painter.colour import Colour, Field, luminance
from shared.generators.painter.noise import fbm, shifted
from shared.generators.painter.scene import Scene

TILE = 0.019
Index = npt.NDArray[np.int32]


def tiles(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("tiles")
    columns, rows = int(2 * canvas.right / TILE) + 3, int(canvas.bottom / TILE) + 3
    jitter = rng.uniform(0.12, 0.88, (rows, columns, 2)).astype(np.float32)
    nearest, gap = _nearest(canvas, jitter)
    colours = _means(canvas, nearest, rows * columns)
    grey = luminance(colours)[:, None]
    colours += 0.28 * (colours - grey)
    colours *= (1 + rng.normal(0, 0.075, (rows * columns, 1))).astype(np.float32)
    canvas.rgb[:] = colours[nearest]
    lean = rng.uniform(-1, 1, (rows * columns, 2)).astype(np.float32)
    bevel = _bevel(canvas, gap, lean[nearest])
    canvas.rgb *= bevel[..., None]
    canvas.fill(Colour(0.23, 0.015, 260), smoothstep(0.13, 0.06, gap))


def _nearest(canvas: Canvas, jitter: Field) -> tuple[Index, Field]:
    """The tile of each pixel, and how far its edge is, in tile widths."""
    u, v = (canvas.x + canvas.right) / TILE + 1, canvas.y / TILE + 1
    column, row = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    shape = (canvas.height, canvas.width)
    first, second = np.full(shape, 9, np.float32), np.full(shape, 9, np.float32)
    nearest = np.zeros(shape, np.int32)
    rows, columns = jitter.shape[:2]
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            c, r = np.clip(column + across, 0, columns - 1), np.clip(row + down, 0, rows - 1)
            spot = jitter[r, c]
            away = np.hypot(c + spot[..., 0] - u, r + spot[..., 1] - v)
            closer = away < first
            np.minimum(second, np.where(closer, first, away), out=second)
            np.copyto(nearest, r * columns + c, where=closer)
            np.minimum(first, away, out=first)
    return nearest, second - first


def _means(canvas: Canvas, nearest: Index, count: int) -> Field:
    places = nearest.ravel()
    size = np.maximum(np.bincount(places, minlength=count), 1)
    planes = [
        np.bincount(places, canvas.rgb[..., channel].ravel(), count) / size for channel in range(3)
    ]
    return np.stack(planes, axis=-1).astype(np.float32)


def _bevel(canvas: Canvas, gap: Field, lean: Field) -> Field:
    edge = np.clip(gap, 0, 0.5)
    slope = shifted(edge, -1, -1) - edge
    return 1 - np.clip(slope * canvas.unit * TILE * 0.16, -0.25, 0.25) + 0.05 * lean[..., 0]


def glaze(canvas: Canvas, scene: Scene) -> None:
    rng = scene.dice.stream("glaze")
    cloudy = fbm(canvas, rng, 0.02, octaves=4, gain=0.6)
    canvas.rgb *= (1 + 0.045 * cloudy)[..., None]


def light(canvas: Canvas, scene: Scene) -> None:
    """A lamp from the side the sun is on."""
    x = (scene.light_x * 2 - 1) * canvas.right
    away = canvas.distance(x, 0.2 * canvas.bottom)
    canvas.glow(scene.palette.light.rgb(), 0.12 * np.exp(-away / 0.4))
