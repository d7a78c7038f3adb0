"""What functions import from packages is loaded once for all of them, before they are forked."""

from collections.abc import Iterator, Sequence

import pytest

from lampwork.runtime.preloading.import_plan import Block, Change, ImportScanner, Part
from tests.conftest import ROOT

# All but the one server, which loads no function's packages before it begins.
FILES = sorted(
    file
    for room in ("functions", "shared")
    for file in (ROOT / room).rglob("*.py")
    if not file.is_relative_to(ROOT / "shared/web/server")
)


@pytest.fixture(scope="module")
def scanner() -> ImportScanner:
    return ImportScanner()


def all_parts(parts: Sequence[Part]) -> Iterator[Part]:
    for part in parts:
        yield part
        if isinstance(part, Block):
            yield from all_parts(part.body)


def test_no_file_keeps_what_is_imported_after_it_from_being_shared(scanner: ImportScanner) -> None:
    """One that sets, say, a variable or up logging when it is imported would: each process of its
    functions then loads up to 40 MB of packages for itself."""
    changing = [
        str(file.relative_to(ROOT))
        for file in FILES
        if any(isinstance(part, Change) for part in all_parts(scanner.read(file).body))
    ]

    assert changing == []


def test_functions_that_run_every_few_seconds_share_their_packages(scanner: ImportScanner) -> None:
    plans = {
        name: {step.module.partition(".")[0] for step in scanner.steps(f"{name}.handler", ROOT)}
        for name in ("functions.tasks.sweep", "functions.ws_broadcast.tick")
    }

    assert {"dramatiq", "pydantic", "sqlalchemy"} <= plans["functions.tasks.sweep"]
    assert {"botocore", "dramatiq", "pydantic"} <= plans["functions.ws_broadcast.tick"]
