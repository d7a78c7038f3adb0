"""What functions ask of AWS while people use the product, beside what the template lets them do."""

import asyncio
from typing import Any

import httpx
import pytest

from lampwork.template.source.document import read_document
from tests.built.recorder import Recorder
from tests.conftest import ROOT
from tests.e2e.product import Person, Product, sign_up
from tests.waiting import until

pytestmark = pytest.mark.built

RESULTS = "local-resultsbucket"

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
def resources() -> Any:
    return read_document(ROOT / "template.yaml").resources


def allowed(resources: Any, function: str) -> dict[str, set[str]]:
    """The actions of a function, each with the names of what it is for; none for all."""
    found: dict[str, set[str]] = {}
    for policy in resources[function]["Properties"].get("Policies", ()):
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
        # Whoever follows it acts for the function that has signed it, which asks nothing itself.
        assert f"/{RESULTS}/tasks/{task['id']}/" in link.headers["location"]
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


def test_functions_ask_of_aws_what_the_template_lets_them_and_need_all_of_it(
    product, recorder, resources, functions
):
    asyncio.run(tell_the_story(product, recorder))

    permitted = {name: allowed(resources, name) for name in functions}
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
