import re
import subprocess
import sys

from tests.catalogue.cases import CATALOGUE, OF_THE_STREAM
from tests.conftest import ROOT

COLLECT_ALL = ["-p", "tests.catalogue.listing", "--collect-only", "-q", "-n", "0", "-m", ""]


def shown_cases() -> set[str]:
    """The cases that the tests of this repository name, as pytest collects them."""
    files = [
        path for path in (ROOT / "tests").rglob("test_*.py") if "mark.case(" in path.read_text()
    ]
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", *COLLECT_ALL, *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"^([A-Z]\d+): \d+ collected", listed.stdout, re.MULTILINE))


def test_every_case_has_a_test_and_every_test_names_a_case():
    shown = shown_cases()

    assert sorted(set(CATALOGUE) - set(OF_THE_STREAM) - shown) == []
    assert sorted(shown - set(CATALOGUE)) == []


def test_the_catalogue_has_175_cases():
    assert len(CATALOGUE) == 175
