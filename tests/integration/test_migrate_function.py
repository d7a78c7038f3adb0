import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.util import CommandError

from functions.ops import migrate
from shared.errors import SettingsError, Unprocessable
from shared.process import custom_resource
from shared.process.event_loop import run
from shared.singletons import forget_singletons, make_anew

EVENT = {
    "RequestType": "Create",
    "ResponseURL": "https://cloudformation.example.com/answer?signature=x",
    "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/lampwork/1",
    "RequestId": "r-1",
    "LogicalResourceId": "Migration",
    "ResourceType": "Custom::Migration",
    "ResourceProperties": {"Code": "1"},
}


@pytest.fixture
def empty(application: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    application.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    forget_singletons()
    yield application
    run(make_anew())


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What CloudFormation has been told."""
    answers: list[dict[str, Any]] = []
    monkeypatch.setattr(custom_resource, "_put", lambda url, body: answers.append(json.loads(body)))
    return answers


def revision() -> Any:
    return migrate.handler({"command": "current"}, None)["revision"]


def test_the_commands_migrate_there_and_back(empty):
    newest = migrate.handler({"command": "current"}, None)["newest"]
    assert revision() is None

    upgraded = migrate.handler({"command": "upgrade"}, None)
    assert upgraded == {
        "before": None,
        "revision": newest,
        "said": [f"Made the database, at revision {newest}."],
    }
    assert migrate.handler({"command": "upgrade"}, None)["said"] == []

    downgraded = migrate.handler({"command": "downgrade", "to": "0001"}, None)
    assert (downgraded["before"], downgraded["revision"]) == (newest, "0001")
    assert downgraded["said"][0].startswith(f"Took back {newest}")


@pytest.mark.parametrize("event", [{}, {"command": "drop"}, {"command": "downgrade"}])
def test_another_command_is_refused_with_those_there_are(empty, event):
    with pytest.raises(Unprocessable, match="upgrade"):
        migrate.handler(event, None)


def test_a_revision_that_is_not_there_is_refused(empty):
    migrate.handler({"command": "upgrade"}, None)

    with pytest.raises(CommandError, match="9999"):
        migrate.handler({"command": "downgrade", "to": "9999"}, None)


def test_a_deployment_migrates_and_is_told_the_revision(empty, told):
    migrate.handler(EVENT, None)

    assert told == [
        {
            "Status": "SUCCESS",
            "PhysicalResourceId": "Migration",
            "StackId": EVENT["StackId"],
            "RequestId": "r-1",
            "LogicalResourceId": "Migration",
            "Data": {"revision": revision()},
        }
    ]
    assert revision() is not None


def test_an_older_version_leaves_the_schema_of_a_newer_one_as_it_is(empty, told, monkeypatch):
    migrate.handler({"command": "upgrade"}, None)
    newer = revision()
    monkeypatch.setattr(migrate, "_is_known", lambda revision: False)  # so it is after a roll-back

    migrate.handler({**EVENT, "RequestType": "Update", "PhysicalResourceId": "Migration"}, None)

    assert told[0]["Status"] == "SUCCESS"
    assert told[0]["Data"] == {"revision": newer}


def test_a_stack_that_is_deleted_leaves_the_database_as_it_is(empty, told):
    migrate.handler({"command": "upgrade"}, None)
    there = revision()

    migrate.handler({**EVENT, "RequestType": "Delete", "PhysicalResourceId": "Migration"}, None)

    assert told[0]["Status"] == "SUCCESS"
    assert revision() == there


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_a_deployment_with_unsafe_settings_fails_with_the_reason(empty, told, request_type):
    empty.setenv("ENV", "production")
    forget_singletons()

    migrate.handler({**EVENT, "RequestType": request_type}, None)

    assert told[0]["Status"] == "FAILED"
    assert told[0]["Reason"].startswith(f"{SettingsError.__name__}: Not fit for production")
    assert len(json.dumps(told[0])) < 4096
