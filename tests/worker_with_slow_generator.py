"""What `dramatiq` is pointed to in tests: the worker, with a generator of known slowness."""

from local.worker import deliver, generate
from shared.generators import choose

choose.GENERATORS["slow"] = "tests.slow_generator:from_url"

__all__ = ["deliver", "generate"]
