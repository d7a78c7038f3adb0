"""The console over a shop that has one resource of each kind."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, quote

import httpx

from tests.emulator.lampwork_process import SampleProject

NEWS = "arn:aws:sns:us-east-1:000000000000:shop-news"
SEVEN = quote('{"id": {"S": "7"}}')
client = httpx.Client(timeout=90)  # far longer than needed, since the machine may be busy
SHOP = Path(__file__).parent / "shop"
ROOMS = (
    *("", "console/routes", "console/routes?method=POST&path=/orders/7", "console/sockets"),
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


@contextmanager
def running_shop(folder: Path) -> Iterator[str]:
    """The origin of an emulator that runs the shop, from a copy in this folder."""
    shutil.copytree(SHOP, folder / "shop")
    project = SampleProject(folder / "shop")
    try:
        yield project.up().origin()
    finally:
        project.close()


def name_of(room: str) -> str:
    """A room as a part of a file's name."""
    path, _, query = room.removeprefix("console/").partition("?")
    asked = [name for name, _ in parse_qsl(query)][-1:]
    return "-".join(filter(None, ("console", path, *asked)))
