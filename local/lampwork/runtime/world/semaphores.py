"""Lambda has no shared memory for semaphores, so that what needs one fails there."""

import errno
import importlib
import os
from typing import Any, NoReturn


class Refused:
    """Stands in for the semaphores that locks, queues and pools of `multiprocessing` are made of.

    https://aws.amazon.com/blogs/compute/parallel-processing-in-python-with-aws-lambda/
    """

    SEM_VALUE_MAX = 2**31 - 1

    def __new__(cls, *arguments: Any, **named: Any) -> NoReturn:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    _rebuild = __new__


def refuse() -> None:
    """Have `multiprocessing` fail as on Lambda: OSError: [Errno 38] Function not implemented."""
    # A part of CPython that `multiprocessing.synchronize` makes its semaphores with.
    importlib.import_module("_multiprocessing").SemLock = Refused  # type: ignore[attr-defined]
