"""What a function brings along itself, by the names under which Python would find it."""

import os
import re
from collections.abc import Iterable

EVERY_DISTRIBUTION = "distribution:*"
METADATA = (".dist-info", ".egg-info")


def own_names(folders: Iterable[str]) -> frozenset[str]:
    """The modules at the top of these folders, and the distributions whose metadata they hold."""
    found: set[str] = set()
    for folder in folders:
        try:
            entries = os.listdir(folder)
        except OSError:  # no such folder, or a zip file of Python's own
            continue
        for entry in entries:
            if entry.endswith(METADATA):
                found |= {EVERY_DISTRIBUTION, distribution(entry.split("-")[0])}
            else:
                found.add(entry.split(".")[0])
    return frozenset(found - {""})


def distribution(name: str) -> str:
    """How a distribution is listed among modules; its name is normalized.

    https://packaging.python.org/en/latest/specifications/name-normalization/
    """
    return f"distribution:{re.sub(r'[-_.]+', '-', name).lower()}"
