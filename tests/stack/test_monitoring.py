"""Every panel's query and every container, on the running stack."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from local.demo import sign_up
from local.stack import Stack
from tests.conftest import ROOT
from tests.stack.confined import assert_confined

pytestmark = pytest.mark.stack
DASHBOARDS = ROOT / "local" / "monitoring" / "grafana" / "dashboards"
SCRAPES_SECONDS = 90
LOAD_SECONDS = 30


async def test_every_panel_shows_data_under_load(stack: Stack):
    async with httpx.AsyncClient(base_url=stack.origin, timeout=30) as client:
        await load(stack)
        missing = await empty_queries(client)
        async with asyncio.timeout(SCRAPES_SECONDS):
            while missing:
                await load(stack, seconds=5)
                missing = await empty_queries(client)

    assert missing == []


async def test_grafana_has_the_dashboards(stack: Stack):
    credentials = stack.settings["GRAFANA_USER"], stack.settings["GRAFANA_PASSWORD"]
    async with httpx.AsyncClient(base_url=stack.origin, auth=credentials) as client:
        found = (await client.get("/grafana/api/search")).json()

    assert {each["title"] for each in found} >= {
        json.loads(file.read_text())["title"] for file in DASHBOARDS.glob("*.json")
    }


@pytest.mark.parametrize("service", ["backend", "frontend", "worker", "deliverer"])
def test_containers_are_ordinary_users_on_a_root_they_cannot_write(stack: Stack, service):
    assert_confined(stack, service)


@pytest.mark.parametrize("service", ["postgres", "redis", "rabbitmq", "nginx", "prometheus"])
def test_servers_do_not_run_as_root_either(stack: Stack, service):
    assert stack.run(service, "sh", "-c", "id -u; touch /x 2>/dev/null || echo refused").split()[
        0
    ] not in ("0",)
    assert stack.run(service, "sh", "-c", "touch /x 2>/dev/null || echo refused") == "refused"


async def load(stack: Stack, seconds: float = LOAD_SECONDS) -> None:
    """People who look, submit and watch."""
    async with httpx.AsyncClient(base_url=f"{stack.origin}/api/v1", timeout=30) as api:
        _, token = await sign_up(api)
        api.headers["Authorization"] = f"Bearer {token}"
        order = {"prompt": "a load of lamps", "parameters": {"width": 256, "height": 256}}
        task = (await api.post("/tasks", json=order)).json()["id"]
        address = f"ws{stack.origin.removeprefix('http')}/ws/tasks/{task}"
        headers = {"Authorization": f"Bearer {token}"}
        async with connect(address, additional_headers=headers) as socket:
            await socket.recv()
            until = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < until:
                await api.get("/tasks")
                await asyncio.sleep(0.3)


async def empty_queries(client: httpx.AsyncClient) -> list[str]:
    """Titles of the panels one of whose queries has no value or is no query."""
    missing = []
    for file in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            answers = [await ask(client, each["expr"]) for each in panel["targets"]]
            if not all(answers):
                missing.append(f"{file.stem}: {panel['title']}")
    return missing


async def ask(client: httpx.AsyncClient, query: str) -> list[Any]:
    answer = await client.get("/prometheus/api/v1/query", params={"query": query})
    found: list[Any] = answer.raise_for_status().json()["data"]["result"]
    return [each for each in found if each["value"][1] != "NaN"]
