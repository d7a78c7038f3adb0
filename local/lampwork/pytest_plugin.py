"""pytest's plugin: the fixtures `stack` and `lampwork_stack`.

It is loaded wherever Lampwork is installed, so it imports nothing before a test asks for a stack.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from lampwork.testing.stack import Stack

TEMPLATE: Final = "lampwork_template"
PRINTED: Final = pytest.StashKey[tuple["Stack", int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        TEMPLATE,
        "The SAM template of the fixture `stack`, from the root folder of the tests.",
        default="template.yaml",
    )


@pytest.fixture(scope="session")
def lampwork_stack(pytestconfig: pytest.Config) -> Iterator["Stack"]:
    """The running stack of the project's template, one for all tests of a session. Define a fixture
    of this name to start it in another way."""
    from lampwork.testing.stack import Stack

    root: Path = pytestconfig.rootpath
    with Stack(pytestconfig.getini(TEMPLATE), folder=root) as stack:
        yield stack


@pytest.fixture
def stack(request: pytest.FixtureRequest, lampwork_stack: "Stack") -> "Stack":
    """The running stack. What a test prints through it is shown if the test fails."""
    request.node.stash[PRINTED] = (lampwork_stack, lampwork_stack.printed())
    return lampwork_stack


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and report.when == "call" and PRINTED in item.stash:
        stack, since = item.stash[PRINTED]
        if printed := stack.output(since):
            report.sections.append(("What the stack printed", printed))
    return report
