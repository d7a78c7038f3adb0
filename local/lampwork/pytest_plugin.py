"""pytest's plugin: the fixtures `stack` and `lampwork_stack`.

It is loaded wherever Lampwork is installed, so it imports nothing before a test asks for a stack.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from lampwork.testing.stack import Stack

TEMPLATE: Final = "lampwork_template"
PRINTED: Final = pytest.StashKey[tuple["Stack", int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        TEMPLATE,
        "The SAM template of the fixture `stack`, from the root folder of the tests or one above.",
        default="template.yaml",
    )


@pytest.fixture(scope="session")
def lampwork_stack(pytestconfig: pytest.Config) -> Iterator["Stack"]:
    """The running stack of the project's template, one for all tests of a session. Define a fixture
    of this name to start it in another way."""
    from lampwork.testing.stack import Stack

    root, template = pytestconfig.rootpath, pytestconfig.getini(TEMPLATE)
    # `pytest tests` without a configuration takes that folder for the root.
    around = (folder for folder in (root, *root.parents) if (folder / template).is_file())
    with Stack(template, folder=next(around, root)) as stack:
        yield stack


@pytest.fixture
def stack(request: pytest.FixtureRequest, lampwork_stack: "Stack") -> "Stack":
    """The running stack, as it was when it had started. What is printed during a test is shown if
    the test fails."""
    lampwork_stack.reset()
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
