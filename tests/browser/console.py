"""The console over a shop that has one resource of each kind."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote

import httpx
from websockets.sync.client import connect

from tests.emulator.lampwork_process import LampworkProcess, SampleProject

NEWS = "arn:aws:sns:us-east-1:000000000000:shop-news"
SEVEN = quote('{"id": {"S": "7"}}')
client = httpx.Client(timeout=90)  # far longer than needed, since the machine may be busy
SHOP = Path(__file__).parent / "shop"
ROOMS = (
    *("", "console/invocations", "console/invocations?id=1", "console/routes"),
    *("console/routes?method=POST&path=/orders/7", "console/sockets"),
    *("console/schedules", "console/environments", "console/map", "console/gaps"),
    *("console/queues", "console/queues?queue=lost-parcels"),
    *("console/topics", f"console/topics?topic={NEWS}", "console/topics?bus=shop-bus"),
    *("console/tables", "console/tables?table=orders", f"console/tables?table=orders&key={SEVEN}"),
    *("console/buckets", "console/buckets?bucket=shop-labels"),
    *("console/buckets?bucket=shop-labels&key=seven.txt", "console/parameters"),
)


def act(origin: str, room: str, **fields: str) -> httpx.Response:
    """What the form of a room sends."""
    address = f"{origin}/_lampwork/console/{room}"
    return client.post(address, data=fields, headers={"Origin": origin}, follow_redirects=True)


def fill(origin: str) -> None:
    """Put something into everything."""
    for room, fields in (
        ("queues", {"do": "send", "queue": "lost-parcels", "body": '{"parcel": 7}'}),
        ("tables", {"do": "put", "table": "orders", "item": '{"id": {"S": "7"}, "n": {"N": "2"}}'}),
        ("buckets", {"do": "put", "bucket": "shop-labels", "key": "seven.txt", "text": "To Ada"}),
    ):
        assert act(origin, room, **fields).status_code == 200
    with connect(f"{origin.replace('http', 'ws')}/live") as socket:
        body = {"connection": connections(origin)[0]}
        client.post(f"{origin}/orders/chain", json=body).raise_for_status()
        assert socket.recv(90) == "it is on its way"


def connections(origin: str) -> list[str]:
    """The ids of who is connected."""
    page = client.get(f"{origin}/_lampwork/console/sockets").text
    return re.findall(r"<th scope=\"row\"><code>([^<]+)</code>", page)


@dataclass(frozen=True)
class Shop:
    """A running emulator, and the folder of what it runs."""

    origin: str
    project: SampleProject
    lampwork: LampworkProcess


@contextmanager
def running_shop(folder: Path) -> Iterator[Shop]:
    """An emulator that runs the shop, from a copy in this folder."""
    shutil.copytree(SHOP, folder / "shop")
    project = SampleProject(folder / "shop")
    try:
        lampwork = project.up()
        yield Shop(lampwork.origin(), project, lampwork)
    finally:
        project.close()


def name_of(room: str) -> str:
    """A room as a part of a file's name."""
    path, _, query = room.removeprefix("console/").partition("?")
    asked = [name for name, _ in parse_qsl(query)][-1:]
    return "-".join(filter(None, ("console", path, *asked)))
