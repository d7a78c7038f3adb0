"""Colours in OKLCh (https://bottosson.github.io/posts/oklab/): equal steps look equal to the
eye."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.floating[Any]]

RAMP_STEPS = 4096


class Colour(NamedTuple):
    """Lightness 0…1, chroma 0…about 0.3, hue in degrees."""

    lightness: float
    chroma: float
    hue: float

    def lighter(self, by: float) -> Self:
        return self._replace(lightness=min(max(self.lightness + by, 0.0), 1.0))

    def vivid(self, factor: float) -> Self:
        return self._replace(chroma=self.chroma * factor)

    def turned(self, degrees: float) -> Self:
        return self._replace(hue=(self.hue + degrees) % 360)

    def toward(self, other: "Colour", share: float) -> "Colour":
        """A mix on the straight line between both, so that opposite hues meet in a calm grey."""
        (l1, a1, b1), (l2, a2, b2) = self.lab(), other.lab()
        a, b = a1 + (a2 - a1) * share, b1 + (b2 - b1) * share
        hue = math.degrees(math.atan2(b, a)) % 360
        return Colour(l1 + (l2 - l1) * share, math.hypot(a, b), hue)

    def lab(self) -> tuple[float, float, float]:
        angle = math.radians(self.hue)
        return self.lightness, self.chroma * math.cos(angle), self.chroma * math.sin(angle)

    def rgb(self) -> Field:
        """sRGB in 0…1; chroma that no screen can show is taken back until it can."""
        chroma = self.chroma
        while chroma > 0.001:
            linear = _linear_rgb(*self._replace(chroma=chroma).lab())
            if linear.min() >= -0.001 and linear.max() <= 1.001:
                break
            chroma *= 0.94
        return _encode(_linear_rgb(*self._replace(chroma=chroma).lab()))


def _linear_rgb(lightness: float, a: float, b: float) -> Field:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return np.array(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ]
    )


def _encode(linear: Field) -> Field:
    linear = np.clip(linear, 0, 1)
    low, high = 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, low, high).astype(np.float32)


class Ramp:
    """A gradient through colours at rising positions in 0…1."""

    def __init__(self, stops: Sequence[tuple[float, Colour]]) -> None:
        fine = [self._between(stops, step / 64).rgb() for step in range(65)]
        steps = np.linspace(0, 64, RAMP_STEPS)
        channels = [np.interp(steps, np.arange(65), channel) for channel in np.transpose(fine)]
        self._table = np.stack(channels, axis=-1).astype(np.float32)

    @staticmethod
    def _between(stops: Sequence[tuple[float, Colour]], position: float) -> Colour:
        for (low, start), (high, end) in pairwise(stops):
            if position <= high:
                return start.toward(end, max(position - low, 0.0) / (high - low))
        return stops[-1][1]

    def at(self, positions: Field | float) -> Field:
        """RGB of each position; what lies outside 0…1 gets the nearest end."""
        index = np.clip(np.asarray(positions) * (RAMP_STEPS - 1), 0, RAMP_STEPS - 1)
        colours: Field = self._table[index.astype(np.int32)]
        return colours


def even_ramp(*colours: Colour) -> Ramp:
    last = len(colours) - 1
    return Ramp([(place / last, colour) for place, colour in enumerate(colours)])


def luminance(rgb: Field) -> Field:
    grey: Field = rgb[..., 0] * 0.299 + rgb[..., 1] * 0.587 + rgb[..., 2] * 0.114
    return grey
