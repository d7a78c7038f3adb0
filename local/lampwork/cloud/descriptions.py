"""AWS's descriptions of its regions and services, which every session of botocore reads anew."""

import threading
from collections import OrderedDict
from pathlib import PurePath
from typing import Any, Final
from weakref import WeakValueDictionary

from botocore.loaders import JSONFileLoader

# Which hosts answer in which region: 7 MB, and nothing writes into them, unlike those of services.
SHARED: Final = frozenset({"endpoints", "partitions"})


def share() -> None:
    """Have all sessions of this process hold one copy, as long as any of them does."""
    read = JSONFileLoader.load_file
    held: WeakValueDictionary[str, OrderedDict[str, Any]] = WeakValueDictionary()
    reading = threading.Lock()

    def load_file(self: JSONFileLoader, file_path: str) -> Any:
        if PurePath(file_path).name not in SHARED:
            return read(self, file_path)
        with reading:
            if (known := held.get(file_path)) is not None:
                return known
            content: Any = read(self, file_path)
            if content is not None:
                held[file_path] = content
            return content

    JSONFileLoader.load_file = load_file  # type: ignore[method-assign]
