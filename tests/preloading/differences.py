from typing import Any


def differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """The keys, two levels deep, whose values differ."""
    found = set()
    for key in one.keys() | other.keys():
        mine, theirs = one.get(key), other.get(key)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            found |= {
                f"{key}: {name}"
                for name in mine.keys() | theirs.keys()
                if mine.get(name) != theirs.get(name)
            }
        elif mine != theirs:
            found.add(key)
    return found
