"""What functions ask of AWS while people use the product, beside what the template lets them do."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest

from lampwork.template.source.document import read_document
from tests.conftest import ROOT
from tests.e2e.conftest import MANY_SIGN_UPS
from tests.e2e.product import Person, Product, free_port, running, sign_up
from tests.e2e.recorder import Recorder, recording
from tests.waiting import until

CREDENTIALS = {"aws_access_key_id": "a", "aws_secret_access_key": "a"}
RESULTS = "local-resultsbucket"
SENDER = "no-reply@example.com"

# What the story leaves out: it happens when something goes wrong, or not before days have passed.
NOT_IN_THE_STORY = {
    ("OpsPurge", "s3:ListBucket"): "accounts are erased days after their deletion",
    ("OpsPurge", "s3:DeleteObject"): "accounts are erased days after their deletion",
    ("TasksGenerate", "bedrock:InvokeModel"): "the painter paints",
    ("TasksGenerate", "s3:ListBucket"): "a task lost its lease while its picture was stored",
    ("TasksGenerate", "s3:DeleteObject"): "a task lost its lease while its picture was stored",
    ("TasksSweep", "s3:ListBucket"): "a picture was left by a task that expired",
    ("TasksSweep", "s3:DeleteObject"): "a picture was left by a task that expired",
    **dict.fromkeys(
        [(each, "execute-api:ManageConnections") for each in ("WsDeliver", "WsReceive", "WsTick")],
        "the emulator has one address of @connections for all functions",
    ),
}


@pytest.fixture(scope="module")
def template() -> Any:
    return read_document(ROOT / "template.yaml").resources


@pytest.fixture(scope="module")
def functions(template: Any) -> list[str]:
    return [name for name, each in template.items() if each["Type"] == "AWS::Serverless::Function"]


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def recorder(port: int, functions: list[str]) -> Iterator[Recorder]:
    with recording(f"http://localhost:{port}", functions) as made:
        yield made


@pytest.fixture(scope="module")
def product(
    port: int,
    recorder: Recorder,
    functions: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("permissions")
    variables = folder / "variables.json"
    variables.write_text(json.dumps({name: addresses(recorder, name) for name in functions}))
    environment = {
        **MANY_SIGN_UPS,
        "QUEUE_URL": "sqs://",
        "MAIL_URL": "ses://",
        "MAIL_FROM": SENDER,
    }
    with running(
        folder / "data", port=port, environment=environment, variables_of_functions=variables
    ) as started:
        options: Any = {"endpoint_url": started.origin, "region_name": "us-east-1", **CREDENTIALS}
        boto3.client("sesv2", **options).create_email_identity(EmailIdentity=SENDER)
        yield started


def addresses(recorder: Recorder, function: str) -> dict[str, str]:
    """The emulator itself names the address of all services, so these are more exact."""
    services = ("S3", "SQS", "SESV2")
    return {f"AWS_ENDPOINT_URL_{each}": recorder.address(function) for each in services}


def allowed(template: Any, function: str) -> dict[str, set[str]]:
    """The actions of a function, each with the names of what it is for; none for all."""
    found: dict[str, set[str]] = {}
    for policy in template[function]["Properties"].get("Policies", ()):
        for statement in policy["Statement"]:
            resources = statement["Resource"]
            names = found.setdefault(statement["Action"], set())
            for each in resources if isinstance(resources, list) else [resources]:
                text = each.get("Fn::GetAtt") or each.get("Fn::Sub", "")
                name = text[0] if isinstance(text, list) else str(text)
                names.add(name.removeprefix("${").partition(".")[0])
    return found


async def tell_the_story(product: Product, recorder: Recorder) -> None:
    """Somebody signs up, has pictures made, changes this and that, and leaves."""
    with sign_up(product) as ada:
        task = await asyncio.to_thread(ada.submit, "a winter morning", width=400, height=64)
        async with ada.socket(task["id"], open_timeout=60) as socket:
            async for _ in socket:
                pass
        link = await asyncio.to_thread(ada.client.get, f"/tasks/{task['id']}/result")
        # Whoever follows it acts for the function that has signed it.
        assert link.headers["location"].startswith(recorder.address("TasksResult"))
        recorder.calls.add(("TasksResult", "s3:GetObject", RESULTS))
        small = await asyncio.to_thread(ada.client.get, f"/tasks/{task['id']}/thumbnails/320")
        assert small.headers["content-type"] == "image/webp"
        await asyncio.to_thread(change_this_and_that, ada, task["id"])


def change_this_and_that(ada: Person, finished: str) -> None:
    post = ada.client.post
    again = post(f"/tasks/{finished}/retry").raise_for_status().json()
    post(f"/tasks/{again['id']}/cancel")  # it may have ended already
    until(lambda: ada.client.get(f"/tasks/{again['id']}").json()["terminal"])
    for each in (finished, again["id"]):
        ada.client.delete(f"/tasks/{each}").raise_for_status()
    post("/auth/password/forgot", json={"email": ada.email}).raise_for_status()
    httpx.get(f"{ada.product.origin}/api/health", timeout=30).raise_for_status()
    changed = {"current_password": ada.password, "new_password": "another horse battery staple"}
    post("/auth/password/change", json=changed).raise_for_status()
    ada.product.invoke("TasksSweep", {})


@pytest.mark.soak  # it starts a product of its own
def test_functions_ask_of_aws_what_the_template_lets_them_and_need_all_of_it(
    product, recorder, template, functions
):
    asyncio.run(tell_the_story(product, recorder))

    permitted = {name: allowed(template, name) for name in functions}
    asked = {(function, action) for function, action, _ in recorder.calls}
    missing = {
        (function, action, target)
        for function, action, target in recorder.calls
        if not is_for(target, permitted[function].get(action, set()))
    }
    assert missing == set()
    unused = {
        (function, action)
        for function, actions in permitted.items()
        for action in actions
        if (function, action) not in asked
    }
    # Which functions ring which doorbells depends on who is faster; the tests of each function show
    # that it does.
    assert {each for each in unused if each[1] != "sqs:SendMessage"} <= NOT_IN_THE_STORY.keys()


def is_for(target: str, names: set[str]) -> bool:
    """Whether one of these resources of the template is the one that was asked for."""
    return any(name.lower() in target.lower() for name in names) or bool(names and not target)
