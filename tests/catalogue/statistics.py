import math
from collections.abc import Sequence


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """The probability of samples this different, or more, from one distribution (two-sided).

    The normal approximation with continuity correction, for samples of more than about twenty
    without ties: H. B. Mann, D. R. Whitney, Annals of Mathematical Statistics 18 (1947), 50-60.
    """
    m, n = len(first), len(second)
    merged = sorted([(value, 1) for value in first] + [(value, 0) for value in second])
    rank_sum = sum(rank for rank, (_, is_first) in enumerate(merged, start=1) if is_first)
    u = rank_sum - m * (m + 1) / 2
    deviation = math.sqrt(m * n * (m + n + 1) / 12)
    z = max(0.0, abs(u - m * n / 2) - 0.5) / deviation
    return math.erfc(z / math.sqrt(2))
