"""`make mutations` takes long and is rarely run, so this test checks that what it names exists."""

import pytest

from tests.catalogue.mutations import MUTATIONS, Mutation
from tests.conftest import ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.guard)
def test_every_mutation_names_a_guard_and_a_test_that_exist(mutation: Mutation):
    module, _, name = mutation.test.partition("::")

    assert (ROOT / mutation.path).read_text().count(mutation.text) == 1
    assert f"def {name.partition('[')[0]}(" in (ROOT / module).read_text()
