from collections.abc import Iterator

import pytest

from tests.e2e.product import Person, Product, running, sign_up
from tests.e2e.queues import QUEUES


@pytest.fixture(scope="session")
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """One product for all tests that leave it whole, also with the queue of `over_each_queue`."""
    data = tmp_path_factory.mktemp("product") / "data"
    with running(data, environment=QUEUES[getattr(request, "param", "workers")]) as started:
        yield started


@pytest.fixture
def ada(product: Product) -> Iterator[Person]:
    with sign_up(product) as person:
        yield person


@pytest.fixture
def bob(product: Product) -> Iterator[Person]:
    with sign_up(product) as person:
        yield person
