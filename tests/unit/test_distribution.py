"""How tests/distribution.py spreads the suite over processes."""

import re
from collections import defaultdict

import pytest

from tests.conftest import ROOT
from tests.distribution import FIRST, TOGETHER, scope_of

FILES = {
    f"{file.relative_to(ROOT)}": file.read_text() for file in (ROOT / "tests").rglob("test_*.py")
}


@pytest.mark.parametrize("scope", [*TOGETHER, *FIRST])
def test_every_name_means_a_module(scope):
    assert scope in {scope_of(file) for file in FILES}


def test_modules_that_share_a_running_product_are_in_one_process():
    scopes = defaultdict(set)
    for file, text in FILES.items():
        folder = file.rpartition("/")[0]
        shares = re.search(r"^(?:async )?def test_\w+\([^)]*\bproduct\b", text, re.M)
        if shares and folder in ("tests/browser", "tests/catalogue", "tests/e2e"):
            scopes[folder].add(scope_of(file))

    assert {folder: len(found) for folder, found in scopes.items()} == {
        "tests/browser": 1,
        "tests/catalogue": 1,
        "tests/e2e": 1,
    }
