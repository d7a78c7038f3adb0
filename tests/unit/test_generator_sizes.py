import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.generators.bedrock_models import TITAN_SIZES, AmazonImages, family
from shared.generators.port import MAX_SIDE, MIN_SIDE
from shared.generators.sizes import covering, nearest

SIDES = st.integers(MIN_SIDE, MAX_SIDE)
SQUARES = ((256, 256), (512, 512), (1024, 1024))


@pytest.mark.parametrize(
    ("asked", "made"),
    [((64, 64), 256), ((256, 256), 256), ((257, 200), 512), ((1024, 1), 1024), ((2048, 64), 1024)],
)
def test_the_smallest_sufficient_size_of_equal_proportions_is_chosen(asked, made):
    assert nearest(SQUARES, *asked) == (made, made)


@pytest.mark.parametrize(
    ("asked", "made"),
    [((500, 500), (512, 512)), ((300, 450), (384, 576)), ((2048, 1152), (1408, 768))],
)
def test_the_nearest_proportions_come_before_the_size(asked, made):
    assert nearest(TITAN_SIZES, *asked) == made


def test_a_size_in_steps_covers_the_requested_size():
    assert covering(320, 200, multiple=64) == (320, 256)


@given(SIDES, SIDES)
def test_nova_canvas_is_only_asked_for_sizes_it_makes(width, height):
    nova = family("amazon.nova-canvas-v1:0")
    assert isinstance(nova, AmazonImages)

    sides = nova.size(width, height)

    assert all(320 <= side <= 4096 and side % 16 == 0 for side in sides)
    assert max(sides) <= 4 * min(sides)
    assert sides[0] * sides[1] < 4_194_304
    assert (sides[0] >= sides[1]) == (width >= height) or sides[0] == sides[1]
