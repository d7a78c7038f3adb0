"""Which functions get another environment, whatever they have and want."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lampwork.runtime.admission.fair_line import Demand, admit

CORES = st.integers(1, 8)


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    starting = draw(st.integers(0, 4))
    return Demand(
        wanted=draw(st.integers(0, 20)),
        since=draw(st.integers(0, 9)),
        starting=starting,
        computing=draw(st.integers(0, 6)),
        launching=draw(st.integers(0, starting)),
    )


LINES = st.lists(demands(), max_size=8)


def has_one(demand: Demand) -> bool:
    return demand.computing > 0 or demand.starting > 0


@given(LINES, CORES)
def test_nobody_gets_more_than_it_wants(line: list[Demand], cores: int) -> None:
    for number, got in Counter(admit(line, cores)).items():
        assert got <= line[number].wanted


@given(LINES, CORES)
def test_no_more_start_at_once_than_there_are_cores(line: list[Demand], cores: int) -> None:
    launching = sum(each.launching for each in line)

    assert len(admit(line, cores)) <= max(0, cores - launching)


@given(LINES, CORES)
def test_a_function_has_more_than_one_only_where_cores_are_left(
    line: list[Demand], cores: int
) -> None:
    admitted = admit(line, cores)
    computing = sum(each.computing for each in line)
    seen: Counter[int] = Counter()
    for number in admitted:
        if has_one(line[number]) or seen[number]:
            assert computing <= cores
        computing += 1
        seen[number] += 1


@given(LINES, CORES)
def test_whoever_has_none_comes_first_and_then_whoever_has_waited_longest(
    line: list[Demand], cores: int
) -> None:
    firsts = list(dict.fromkeys(admit(line, cores)))
    keys = [(has_one(line[number]), line[number].since) for number in firsts]

    assert keys == sorted(keys)


@given(LINES, CORES)
def test_a_core_that_is_free_to_start_one_is_never_kept_from_a_function_that_has_none(
    line: list[Demand], cores: int
) -> None:
    admitted = admit(line, cores)
    left_out = [
        number
        for number, each in enumerate(line)
        if each.wanted and not has_one(each) and number not in admitted
    ]

    assert not left_out or sum(each.launching for each in line) + len(admitted) >= cores


@given(st.integers(1, 200), CORES)
def test_requests_that_wait_for_something_else_all_get_one_in_the_end(
    requests: int, cores: int
) -> None:
    """As when each waits 20 s for a service far away: an environment that waits is none that
    computes."""
    waiting = 0
    for _ in range(requests):
        got = len(admit([Demand(wanted=requests - waiting)], cores))
        assert got > 0
        waiting += got
        if waiting == requests:
            return


@given(CORES, st.integers(1, 30))
def test_the_first_environment_of_a_function_never_waits_behind_those_that_compute(
    cores: int, busy: int
) -> None:
    """So a chain of functions that wait for each other never stands still."""
    others = Demand(wanted=5, since=0.0, computing=busy)

    assert 1 in admit([others, Demand(wanted=1, since=1.0)], cores)


@given(CORES)
def test_a_function_that_computes_gets_as_many_as_cores_and_one_more(cores: int) -> None:
    have = 0
    while got := len(admit([Demand(wanted=100, computing=have)], cores)):
        have += got

    assert have == cores + 1
