"""How large functions are with their packages and layers, against the limit that Lambda sets.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from lampwork.stack.model import Function

MOST_BYTES: Final = 262_144_000
# What `sam build` leaves out, and environments for development.
NOT_PACKAGED: Final = frozenset(("__pycache__", "venv"))


def too_large(functions: Iterable[Function]) -> Iterator[str]:
    """A line for each function that Lambda would refuse. Images may be larger."""
    size_of = cache(size_of_folder)
    for function in functions:
        size = sum(parts(function, size_of).values())
        if size > MOST_BYTES and not function.is_image:
            yield (
                f"{function.template}:{function.line}: {function.logical_id} has {size:,} bytes of"
                f" code, packages and layers; Lambda takes {MOST_BYTES:,}, which is 250 MB."
            )


def parts(function: Function, size_of: Callable[[Path], int]) -> dict[str, int]:
    """The bytes of a function's code, of its packages and of its layers: a folder counts once."""
    folders = {
        "code": [function.code_dir],
        "packages": [function.requirements] if function.requirements else [],
        "layers": [*function.layers, *function.layer_requirements],
    }
    counted: set[Path] = set()
    sizes = dict.fromkeys(folders, 0)
    for part, found in folders.items():
        for folder in found:
            if folder not in counted:
                counted.add(folder)
                sizes[part] += size_of(folder)
    return sizes


def size_of_folder(folder: Path) -> int:
    """The bytes of all files in a folder, without hidden folders."""
    size = 0
    for parent, folders, files in os.walk(folder):
        folders[:] = [
            name for name in folders if name not in NOT_PACKAGED and not name.startswith(".")
        ]
        for name in files:
            try:
                size += os.stat(f"{parent}/{name}").st_size
            except FileNotFoundError:  # a link to nothing, or a file that is just replaced
                continue
    return size
