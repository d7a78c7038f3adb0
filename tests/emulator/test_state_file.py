from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from lampwork.cloud.persistence.state_file import StateFile

KEYS = st.sampled_from(["a/1", "a/2", "a/é", "b/1", "b"])
CHANGES = st.dictionaries(KEYS, st.none() | st.binary(max_size=3))


@settings(deadline=None, max_examples=25)
@given(st.lists(CHANGES, max_size=8))
def test_it_holds_the_last_value_of_each_key_in_the_order_of_their_first_writes(
    tmp_path_factory, writes
):
    path: Path = tmp_path_factory.mktemp("state") / "state.db"
    state = StateFile(path)
    expected: dict[str, bytes] = {}
    for changes in writes:
        state.write(changes)
        for key in [key for key, value in changes.items() if value is None]:
            expected.pop(key, None)
        expected.update({key: value for key, value in changes.items() if value is not None})
    state.close()

    again = StateFile(path)
    kept = dict(again.read("")), dict(again.read("a/"))
    again.close()

    assert kept[0] == expected
    assert list(kept[0]) == list(expected)
    assert kept[1] == {k.removeprefix("a/"): v for k, v in expected.items() if k.startswith("a/")}
