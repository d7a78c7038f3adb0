"""Pictures of every page in every state, and of the emulator's console, light and dark, on a phone
and on a desk.

python -m tests.browser.screenshots [--out FOLDER] [STATE ...]
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product as combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from playwright.sync_api import Browser

from tests.browser.chromium import running_browser, window
from tests.browser.console import ROOMS, fill, name_of, running_shop
from tests.browser.states import STATES, State, Visitor
from tests.e2e.product import Person, Product, running, sign_up
from tests.waiting import until

SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 860}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}
SCHEMES = ("light", "dark")
DECODE = """() => Promise.all([...document.images].map((each) => {
  each.loading = "eager"; // what is below the screen would never come
  return each.decode().catch(() => null);
}))"""
WALL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("a lighthouse above a stormy sea at dusk", {"width": 768, "height": 512, "seed": 7}),
    ("city skyline at sunset", {"width": 512, "height": 512, "style": "poster", "seed": 2}),
    ("a forest path in autumn", {"width": 512, "height": 768, "style": "watercolor", "seed": 5}),
    ("aurora above snowy mountains", {"width": 1024, "height": 576, "seed": 11}),
    ("lanterns in a harbour town at night", {"width": 768, "height": 512, "seed": 3}),
)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=Path("screenshots"))
    arguments.add_argument("states", nargs="*", metavar="STATE", help="by name; all by default")
    options = arguments.parse_args()
    wanted = [state for state in STATES if not options.states or state.name in options.states]
    options.out.mkdir(parents=True, exist_ok=True)
    rooms = [room for room in ROOMS if not options.states or name_of(room) in options.states]
    with running_browser() as browser:
        if wanted:
            take_product(browser, wanted, options.out)
        if rooms:
            take_console(browser, rooms, options.out)
    return 0


def take_product(browser: Browser, states: Sequence[State], out: Path) -> None:
    with inhabited_product() as person:
        for state, screen, scheme in combinations(states, SCREENS, SCHEMES):
            path = out / f"{state.name}-{screen}-{scheme}.png"
            take(browser, person, state, path, **SCREENS[screen], color_scheme=scheme)
            sys.stderr.write(f"{path}\n")


def take_console(browser: Browser, rooms: Sequence[str], out: Path) -> None:
    with TemporaryDirectory() as folder, running_shop(Path(folder)) as shop:
        origin = shop.origin
        fill(origin)
        httpx.get(f"{origin}/orders")
        for room, screen, scheme in combinations(rooms, SCREENS, SCHEMES):
            path = out / f"{name_of(room)}-{screen}-{scheme}.png"
            with window(browser, **SCREENS[screen], color_scheme=scheme) as context:
                page = context.new_page()
                page.goto(f"{origin}/_lampwork/{room}")
                page.screenshot(path=path, full_page=True)
            sys.stderr.write(f"{path}\n")


@contextmanager
def inhabited_product() -> Iterator[Person]:
    """A product with a user who has requested a few pictures and a new password."""
    with (
        TemporaryDirectory() as folder,
        running(Path(folder) / "data") as product,
        sign_up(product) as person,
    ):
        for prompt, parameters in WALL:
            person.submit(prompt, **parameters)
        person.client.post("/auth/password/forgot", json={"email": person.email})
        until(lambda: len(finished(person)) == len(WALL) and has_mail(product))
        yield person


def finished(person: Person) -> list[Any]:
    listed: list[Any] = person.client.get("/tasks", params={"status": "completed"}).json()["items"]
    return listed


def has_mail(product: Product) -> bool:
    return "Follow the link" in httpx.get(f"{product.origin}/mailbox").text


def take(browser: Browser, person: Person, state: State, path: Path, **options: Any) -> None:
    with window(browser, reduced_motion="reduce", **options) as context:
        visitor = Visitor(context, person.product, person if state.needs_account else None)
        page = state.reach(visitor)
        page.evaluate(DECODE)
        page.screenshot(path=path)


if __name__ == "__main__":
    sys.exit(main())
