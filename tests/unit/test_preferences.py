import pytest

from shared.web.preferences import wait_seconds


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=20", 20),
        ("WAIT=20", 20),
        ('wait="20"', 20),
        ("wait = 20", 20),
        ("respond-async, wait=20", 20),
        ("wait=20; foo=bar", 20),
        ("wait=1, wait=20", 1),
        ("wait=0", 0),
    ],
)
def test_a_preference_to_wait_is_read(prefer, seconds):
    assert wait_seconds(prefer) == seconds


@pytest.mark.parametrize(
    "prefer",
    [None, "", "wait", "wait=", "wait=-1", "wait=1.5", "wait=soon", "await=5", "x; wait=5"],
)
def test_any_other_preference_is_no_wait(prefer):
    assert wait_seconds(prefer) is None
