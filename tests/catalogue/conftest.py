from collections.abc import Iterator

import pytest

from tests.catalogue.products import WITHOUT_LIMITS
from tests.e2e.product import Product, running


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("catalogue") / "data", environment=WITHOUT_LIMITS) as it:
        yield it
