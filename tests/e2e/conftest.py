from collections.abc import Iterator

import pytest

from tests.e2e import painters
from tests.e2e.product import Person, Product, running, sign_up
from tests.e2e.queues import QUEUES

# All tests sign up from one address.
MANY_SIGN_UPS = dict.fromkeys(
    ("RATE_LIMIT_REGISTER_IP", "RATE_LIMIT_VERIFY_IP", "RATE_LIMIT_LOGIN_IP"), "1000/minute"
)


@pytest.fixture(scope="package", params=["workers"], ids=[pytest.HIDDEN_PARAM])
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """One product for all tests that do not break it, also with the queue of `over_each_queue`.

    Its parameter is there so that tests without that mark share the one with workers.
    """
    data = tmp_path_factory.mktemp("product") / "data"
    environment = {**QUEUES[request.param], **painters.ENVIRONMENT, **MANY_SIGN_UPS}
    with running(data, environment=environment) as started:
        yield started


@pytest.fixture
def ada(product: Product) -> Iterator[Person]:
    with sign_up(product) as person:
        yield person


@pytest.fixture
def bob(product: Product) -> Iterator[Person]:
    with sign_up(product) as person:
        yield person
