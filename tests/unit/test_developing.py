"""docs/developing.md fits the code; `make soak` does all that it says, in a copy."""

import shutil
from pathlib import Path

import pytest

from local.endpoint import Refused, write
from tests.conftest import ROOT
from tests.developing import Commands, Edit, NewFile, steps

STEPS = list(steps())


def test_the_page_has_all_kinds_of_steps():
    assert {type(each) for each in STEPS} == {Commands, Edit, NewFile}
    assert sum(isinstance(each, Edit) for each in STEPS) >= 6


@pytest.mark.parametrize("step", [each for each in STEPS if isinstance(each, Edit)])
def test_a_change_that_the_page_shows_fits_the_file_that_it_names(step):
    text = (ROOT / step.path).read_text()

    assert text.count(step.old) == 1, f"docs/developing.md: not once in {step.path}:\n{step.old}"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "functions").mkdir()
    (tmp_path / "tests" / "integration").mkdir(parents=True)
    shutil.copy(ROOT / "template.yaml", tmp_path)
    return tmp_path


def test_a_new_endpoint_has_a_module_a_route_a_role_and_a_test(repository):
    said = write("tasks/praise", "POST", "/api/v1/tasks/{task_id}/praise", repository)

    template = (repository / "template.yaml").read_text()
    assert "TasksPraise" in said
    assert template.count("\n  TasksPraise:\n    Type: AWS::Serverless::Function\n") == 1
    assert template.count("- !Ref TasksPraiseRole\n") == 1
    assert 'Method: POST, Path: "/api/v1/tasks/{task_id}/praise"}' in template
    for file in ("functions/tasks/praise.py", "tests/integration/test_tasks_praise.py"):
        compile((repository / file).read_text(), file, "exec")


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("praise", "POST", "/api/v1/praise"),
        ("tasks/../praise", "POST", "/api/v1/praise"),
        ("tasks/praise", "SHOUT", "/api/v1/praise"),
        ("tasks/praise", "POST", "api/v1/praise"),
        ("tasks/praise", "POST", '/api/v1/"praise'),
        ("tasks/praise", "POST", "/api/v1/tasks"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused_and_nothing_is_written(
    repository, name, method, path
):
    before = (repository / "template.yaml").read_text()

    with pytest.raises(Refused):
        write(name, method, path, repository)

    assert (repository / "template.yaml").read_text() == before
    assert not list((repository / "functions").iterdir())
