"""The module that `dramatiq` runs in tests: the worker, with a generator of known slowness."""

from local.worker import deliver, generate
from shared.generators import registry

registry.GENERATORS.factories["slow"] = "tests.slow_generator:from_url"

__all__ = ["deliver", "generate"]
