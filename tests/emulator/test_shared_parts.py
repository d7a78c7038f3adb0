"""What functions import in common is loaded once for all that have it."""

from hypothesis import given
from hypothesis import strategies as st

from lampwork.runtime.forking.fork_servers import LEAST_GAIN, shared_parts
from lampwork.runtime.preloading.import_plan import Step

PLANS = st.lists(st.sets(st.integers(0, 60), max_size=50), max_size=6)


def steps(numbers: range | set[int]) -> list[Step]:
    return [Step(f"module{number}") for number in numbers]


def test_what_many_import_comes_before_what_fewer_of_these_import() -> None:
    database, web = steps(range(30)), steps(range(30, 60))
    plans = [database, [*database, *web], [*database, *web], steps(range(90, 95))]

    assert list(shared_parts(plans)) == [
        ([0, 1, 2], tuple(database)),
        ([1, 2], (*database, *web)),
    ]


def test_a_few_imports_in_common_are_no_reason_for_a_server() -> None:
    assert list(shared_parts([steps(range(LEAST_GAIN - 1))] * 2)) == []


@given(PLANS)
def test_a_part_is_what_all_of_its_functions_import_in_their_order(numbers: list[set[int]]) -> None:
    plans = [steps(each) for each in numbers]

    for group, common in shared_parts(plans):
        assert len(group) > 1
        for number in group:
            assert set(common) <= set(plans[number])
        assert list(common) == [step for step in plans[group[0]] if step in common]
