from importlib import import_module

import pytest

from shared.errors import SettingsError
from shared.generators.registry import GENERATORS
from shared.mail.registry import MAILERS
from shared.process.scheme_registry import SchemeRegistry
from shared.queues.registry import QUEUES
from shared.stream.reader import DATABASES

REGISTRIES = [DATABASES, GENERATORS, MAILERS, QUEUES]

by_variable = pytest.mark.parametrize("registry", REGISTRIES, ids=lambda each: each.variable)


@by_variable
def test_every_scheme_leads_to_a_factory(registry: SchemeRegistry[object]):
    assert all(callable(registry.factory(scheme)) for scheme in registry.factories)


@by_variable
@pytest.mark.parametrize("scheme", ["", "dream"])
def test_the_refusal_of_an_unknown_scheme_names_its_setting(
    registry: SchemeRegistry[object], scheme: str
):
    with pytest.raises(SettingsError, match=f"^{registry.variable}: no such") as refused:
        registry.factory(scheme)

    assert all(f"{known}://" in str(refused.value) for known in registry.factories)


def test_a_factory_is_found_by_its_dotted_name():
    made = SchemeRegistry[object]("URL", "thing", {"ordered": "collections:OrderedDict"})

    assert made.factory("ordered") is import_module("collections").OrderedDict
