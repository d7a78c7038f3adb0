import pytest

from lampwork.events.event_patterns import check, matches

EVENT = {
    "source": "shop",
    "detail": {"total": 12.5, "tags": ["new", "big"], "ip": "10.0.0.7", "note": None, "paid": True},
}


@pytest.mark.parametrize(
    "detail",
    [
        {"total": [12.5]},
        {"total": [{"numeric": [">", 0, "<=", 12.5]}]},
        {"tags": ["big"]},
        {"tags": [{"prefix": "b"}]},
        {"tags": [{"suffix": {"equals-ignore-case": "EW"}}]},
        {"tags": [{"wildcard": "b*g"}]},
        {"ip": [{"cidr": "10.0.0.0/24"}]},
        {"note": [None]},
        {"paid": [True]},
        {"gone": [{"exists": False}]},
        {"total": [{"exists": True}]},
        {"total": [{"anything-but": [1, 2]}]},
        {"ip": [{"anything-but": {"prefix": "192."}}]},
        {"tags": [{"equals-ignore-case": "NEW"}]},
        {"$or": [{"total": [1]}, {"paid": [True]}]},
    ],
)
def test_an_event_that_meets_the_pattern_matches(detail):
    check({"detail": detail})

    assert matches({"source": ["shop", "store"], "detail": detail}, EVENT)


@pytest.mark.parametrize(
    "detail",
    [
        {"total": ["12.5"]},
        {"total": [{"numeric": [">", 12.5]}]},
        {"paid": [1]},
        {"paid": [{"numeric": ["=", 1]}]},
        {"tags": ["old"]},
        {"tags": [{"wildcard": r"b\*g"}]},
        {"ip": [{"cidr": "10.1.0.0/24"}]},
        {"note": [{"exists": False}]},
        {"gone": [{"anything-but": [1]}]},
        {"total": {"deeper": [1]}},
    ],
)
def test_an_event_that_does_not_meet_the_pattern_does_not_match(detail):
    assert not matches({"detail": detail}, EVENT)


@pytest.mark.parametrize(
    "pattern", ["text", {}, {"a": "b"}, {"a": []}, {"a": [{"like": "b"}]}, {"a": {"b": 1}}]
)
def test_a_pattern_aws_refuses_is_refused(pattern):
    with pytest.raises(ValueError, match=r"\w"):
        check(pattern)
