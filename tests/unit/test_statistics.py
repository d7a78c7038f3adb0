import random

import pytest

from tests.catalogue.statistics import mann_whitney


def test_the_worked_example_of_the_statistic():
    """U = 12 of 6 and 6: z = (|12 - 18| - 0.5) / sqrt(39) = 0.881, so p = 0.378."""
    first, second = [1, 2, 3, 8, 9, 10], [4, 5, 6, 7, 11, 12]

    assert mann_whitney(first, second) == pytest.approx(0.378, abs=0.001)


def test_samples_of_one_distribution_are_recognised():
    dice = random.Random(7)
    samples = [[dice.gauss(25, 3) for _ in range(200)] for _ in range(20)]

    taken = [mann_whitney(samples[0], other) > 0.01 for other in samples[1:]]

    assert sum(taken) >= 18


def test_a_shift_of_a_twentieth_is_detected_in_two_hundred_samples():
    dice = random.Random(7)
    first = [dice.gauss(25, 2) for _ in range(200)]
    second = [dice.gauss(26.25, 2) for _ in range(200)]

    assert mann_whitney(first, second) < 0.01
