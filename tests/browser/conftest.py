from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.chromium import running_browser, window
from tests.e2e.product import Person, Product, running, sign_up

expect.set_options(timeout=20_000)

# Only a picture of the largest size takes longer, and the tests have none: a longer time is a
# failure.
IMPATIENT = {"TASK_RUN_TIMEOUT_SECONDS": "8", "TASK_MAX_ATTEMPTS": "1"}


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("browser") / "data", environment=IMPATIENT) as started:
        yield started


# No wider: Playwright's loop runs as long as it does, and tests of other modules have their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as started:
        yield started


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with window(browser) as opened:
        opened.set_default_timeout(20_000)
        yield opened


@pytest.fixture
def others_context(browser: Browser) -> Iterator[BrowserContext]:
    with window(browser) as opened:
        yield opened


@pytest.fixture
def ada(product: Product) -> Iterator[Person]:
    with sign_up(product) as person:
        yield person


@pytest.fixture
def bob(product: Product) -> Iterator[Person]:
    with sign_up(product) as person:
        yield person
