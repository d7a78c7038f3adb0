"""The console over a shop that has one resource of each kind."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.emulator.lampwork_process import SampleProject

SHOP = Path(__file__).parent / "shop"
ROOMS = (
    *("", "console/routes", "console/routes?method=POST&path=/orders/7", "console/sockets"),
    *("console/schedules", "console/environments", "console/map", "console/gaps"),
)


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
    return "-".join(filter(None, ("console", path.replace("/", "-"), "form" if query else "")))
