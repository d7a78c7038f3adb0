"""Which of a provider's few sizes comes nearest to the one asked for."""

import math
from collections.abc import Iterable

Size = tuple[int, int]


def nearest(sizes: Iterable[Size], width: int, height: int) -> Size:
    """The size of the nearest proportions and, of those, the smallest that need not be enlarged.

    Where all have to be, the largest.
    """

    def loss(size: Size) -> tuple[float, bool, int]:
        stretch = abs(math.log(size[0] * height / (size[1] * width)))
        covers = size[0] >= width and size[1] >= height
        pixels = size[0] * size[1]
        return round(stretch, 2), not covers, pixels if covers else -pixels

    return min(sizes, key=loss)


def covering(width: float, height: float, *, multiple: int) -> Size:
    """The smallest size in these multiples that covers the one asked for."""
    return _round_up(width, multiple), _round_up(height, multiple)


def within(
    width: int, height: int, *, multiple: int, min_side: int, max_ratio: int, max_pixels: int
) -> Size:
    """The size nearest to the one asked for, where any size within these limits is possible."""
    longest = float(max(width, height))
    shortest = max(min(width, height), longest / max_ratio)
    enlarge = max(1.0, min_side / shortest)
    longest, shortest = longest * enlarge, shortest * enlarge
    sides = covering(longest, shortest, multiple=multiple)
    if sides[0] * sides[1] > max_pixels:
        shrink = min(1.0, math.sqrt(max_pixels / (longest * shortest)))
        sides = _round_down(longest * shrink, multiple), _round_down(shortest * shrink, multiple)
    return sides if width >= height else (sides[1], sides[0])


def _round_up(side: float, multiple: int) -> int:
    return math.ceil(side / multiple) * multiple


def _round_down(side: float, multiple: int) -> int:
    return math.floor(side / multiple) * multiple
