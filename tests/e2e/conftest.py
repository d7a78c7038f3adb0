from collections.abc import Iterator

import pytest

from tests.e2e.product import Person, Product, running, sign_up


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One product for all tests that leave it whole."""
    with running(tmp_path_factory.mktemp("product") / "data") as started:
        yield started


@pytest.fixture
def ada(product: Product) -> Iterator[Person]:
    with sign_up(product) as person:
        yield person


@pytest.fixture
def bob(product: Product) -> Iterator[Person]:
    with sign_up(product) as person:
        yield person
