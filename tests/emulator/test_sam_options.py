"""Every option of `sam local` and `sam logs` is known: it has its effect, or its word.

`sam_options.txt` is made from aws-sam-cli by `make sam-options`; `make check` compares it.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lampwork.cli import lampwork
from tests.emulator.lampwork_process import SampleProject

TABLE = Path(__file__).with_name("sam_options.txt")
DOCUMENT = Path(__file__).parents[2] / "docs" / "emulator" / "migration.md"


def table() -> Iterator[tuple[str, str, str]]:
    for line in TABLE.read_text().splitlines():
        command, _, rest = line.partition(":")
        if not line.startswith("#") and rest:
            names, _, variable = rest.strip().partition(" ")
            yield command, names, variable


def ours(command: str) -> click.Command:
    """Our command of this name, such as generate-event sqs receive-message."""
    found: click.Command = lampwork
    for name in command.split():
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), name)
        assert inner is not None, f"there is no `lampwork {command}`"
        found = inner
    return found


EVENTS = [
    (line.partition(":")[0], line.partition(":")[2].strip())
    for line in TABLE.read_text().splitlines()
    if line.startswith("generate-event")
]
# The others stand in the event as they are.
VALUES = {
    "--querystringparameters": '{"given": "by-the-test"}',
    "--method": "PUT",
    "--resource": "/{proxy+}",
}
SHOWN = {"--querystringparameters": '"by-the-test"', "--resource": "{proxy+}"}


@pytest.mark.parametrize(("command", "names", "variable"), list(table()))
def test_an_option_of_sam_is_known_with_its_effect_or_its_word(
    command: str, names: str, variable: str
) -> None:
    options = [each for each in ours(command).params if isinstance(each, click.Option)]
    by_name = {name: each for each in options for name in (*each.opts, *each.secondary_opts)}

    for name in names.split(","):
        assert name in by_name, f"`lampwork {command}` does not know {name}"
    if variable:
        variables = {by_name[name].envvar for name in names.split(",")}
        assert variable in variables, f"{names} does not read {variable}"


@pytest.mark.parametrize(("command", "option"), EVENTS)
def test_each_event_that_sam_knows_is_made_with_sams_options(command: str, option: str) -> None:
    value = VALUES.get(option, "by-the-test")
    given = [option, value] if option else []

    made = CliRunner().invoke(lampwork, [*command.split(), *given, "--config-env", "x"])

    assert made.exit_code == 0, made.output
    event = json.loads(made.stdout)
    assert isinstance(event, dict)
    encoded = base64.b64encode(value.encode()).decode()
    expected = (SHOWN.get(option, value), encoded)
    assert not option or any(each in made.stdout for each in expected)


def test_each_option_is_in_the_table_for_those_who_come_from_sam() -> None:
    text = DOCUMENT.read_text()
    options = {
        name
        for command, names, _ in table()
        if not command.startswith("generate-event")
        for name in names.split(",")
        if name.startswith("--")
    }

    assert sorted(name for name in options if f"`{name}" not in text) == []


def test_an_option_without_effect_is_told_once(tmp_path: Path) -> None:
    project = SampleProject.create(tmp_path)

    called = project.run(
        *("local", "invoke", "Hello", "--skip-pull-image", "--docker-network", "host"),
        *("--add-host", "a:1.2.3.4", "--add-host", "b:1.2.3.4", "-v", "/src", "--shutdown"),
    )

    assert called.returncode == 0
    told = [line for line in called.stderr.splitlines() if "has no effect here" in line]
    assert [line.split()[0] for line in told] == [
        *("--skip-pull-image", "--docker-network", "--add-host"),
        *("--docker-volume-basedir", "--shutdown"),
    ]


def test_an_option_that_would_change_the_result_is_refused(tmp_path: Path) -> None:
    refused = SampleProject.create(tmp_path).run("local", "invoke", "--hook-name", "terraform")

    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: --hook-name: Lampwork reads templates of SAM")
