"""Cloudy fields: value noise, its octaves, and fields warped by others."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.generators.painter.canvas import Canvas
from shared.generators.painter.colour import Field

Index = npt.NDArray[np.int32]

FINEST_PIXELS = 1.6  # a finer octave could only alias
BLOCK = 128  # rows moved at a time, so that their indices stay in the cache
MARGIN = 2  # lattice points a bicubic kernel reaches over the edge


def fbm(
    canvas: Canvas,
    rng: np.random.Generator,
    wavelength: float,
    *,
    octaves: int = 5,
    gain: float = 0.5,
    stretch: float = 1.0,
) -> Field:
    """Fractal noise around 0, seldom beyond ±1. `stretch` widens it along x."""
    total = np.zeros((canvas.height, canvas.width), np.float32)
    weight, spread = 1.0, 0.0
    for octave in range(octaves):
        cell = wavelength / 2**octave
        lattice_rng = np.random.default_rng(rng.integers(2**63))
        if cell * canvas.unit >= FINEST_PIXELS:
            total += weight * _octave(canvas, lattice_rng, cell * stretch, cell)
        spread += weight**2
        weight *= gain
    total *= 1.35 / math.sqrt(spread)
    return total


def _octave(canvas: Canvas, rng: np.random.Generator, cell_x: float, cell_y: float) -> Field:
    across, down = 2 * canvas.right / cell_x, canvas.bottom / cell_y
    shape = (math.ceil(down) + 2 * MARGIN + 1, math.ceil(across) + 2 * MARGIN + 1)
    lattice = rng.uniform(-1, 1, shape).astype(np.float32)
    offset_x, offset_y = rng.uniform(MARGIN, MARGIN + 1, 2).tolist()
    box = (offset_x, offset_y, offset_x + across, offset_y + down)
    size = (canvas.width, canvas.height)
    return np.asarray(Image.fromarray(lattice).resize(size, Image.Resampling.BICUBIC, box))


def profile(
    canvas: Canvas,
    rng: np.random.Generator,
    wavelength: float,
    *,
    octaves: int = 6,
    gain: float = 0.5,
    ridged: bool = False,
) -> Field:
    """One line of fractal noise along x, 0…1 when ridged (sharp tops), else around 0."""
    positions = canvas.x[0] + canvas.right + float(rng.uniform(0, 50))
    total = np.zeros(canvas.width, np.float32)
    weight, spread = 1.0, 0.0
    for octave in range(octaves):
        cell = wavelength / 2**octave
        lattice = rng.uniform(-1, 1, 512).astype(np.float32)
        if cell * canvas.unit >= FINEST_PIXELS:
            line = _line(lattice, positions / cell)
            total += weight * ((1 - np.abs(line)) ** 2 if ridged else line)
        spread += weight if ridged else weight**2
        weight *= gain
    scale = 1 / spread if ridged else 1.2 / math.sqrt(spread)
    scaled: Field = total * np.float32(scale)
    return scaled


def _line(lattice: Field, at: Field) -> Field:
    cell = np.floor(at)
    t = at - cell
    t = t * t * t * (t * (t * 6 - 15) + 10)
    index = cell.astype(np.int64)
    low, high = lattice[index % len(lattice)], lattice[(index + 1) % len(lattice)]
    result: Field = low + (high - low) * t
    return result


class Lattice:
    """Value noise that can be evaluated at any point; it repeats after 64 cells."""

    SIZE = 64

    def __init__(self, rng: np.random.Generator) -> None:
        self._values = rng.uniform(-1, 1, self.SIZE * self.SIZE).astype(np.float32)

    def at(self, x: Field, y: Field) -> Field:
        x, y = np.broadcast_arrays(x, y)
        left, top = np.floor(x), np.floor(y)
        u, v = x - left, y - top
        u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
        column = left.astype(np.int32) % self.SIZE
        row = top.astype(np.int32) % self.SIZE * self.SIZE
        next_column = (column + 1) % self.SIZE
        next_row = (row + self.SIZE) % (self.SIZE * self.SIZE)
        upper = self._mix(row + column, row + next_column, u)
        lower = self._mix(next_row + column, next_row + next_column, u)
        lower -= upper
        lower *= v
        upper += lower
        return upper

    def _mix(
        self,
        start: Index,
        end: Index,
        t: Field,
    ) -> Field:
        low = self._values[start]
        return low + (self._values[end] - low) * t


def shifted(field: Field, dx: Field | float, dy: Field | float) -> Field:
    """`field`, with or without channels, read from places moved by pixels; edges mirror."""
    height, width = field.shape[:2]
    columns = np.arange(width, dtype=np.float32)[None, :]
    moved = np.empty_like(field)
    for top in range(0, height, BLOCK):
        part = slice(top, min(top + BLOCK, height))
        rows = np.arange(part.start, part.stop, dtype=np.float32)[:, None] + _rows(dy, part)
        source = _mirrored(rows, height), _mirrored(columns + _rows(dx, part), width)
        moved[part] = field[source]
    return moved


def _rows(offsets: Field | float, part: slice) -> Field | float:
    tall = isinstance(offsets, np.ndarray) and offsets.ndim == 2 and len(offsets) > 1
    return offsets[part] if isinstance(offsets, np.ndarray) and tall else offsets


def _mirrored(places: Field, size: int) -> npt.NDArray[np.intp]:
    index = np.rint(places).astype(np.intp)
    index %= 2 * size
    return np.minimum(index, 2 * size - 1 - index)


def blurred(field: Field, radius: float) -> Field:
    """A wide, soft blur of one channel; `radius` in pixels."""
    height, width = field.shape
    factor = max(radius / 2, 1.0)
    size = (max(round(width / factor), 1), max(round(height / factor), 1))
    small = np.asarray(_resized(field, size, Image.Resampling.BOX))
    for _ in range(max(round((radius / factor) ** 2), 1)):
        small = _tent(_tent(small, 0), 1)
    return np.asarray(_resized(small, (width, height), Image.Resampling.BICUBIC))


def _resized(field: Field, size: tuple[int, int], how: Image.Resampling) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(field, np.float32)).resize(size, how)


def _tent(field: Field, axis: int) -> Field:
    padded = np.pad(field, [(1, 1) if side == axis else (0, 0) for side in (0, 1)], mode="edge")
    if axis == 0:
        result: Field = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    else:
        result = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    return result
