"""Notes what functions ask of AWS and, where that is wanted, refuses what they may not."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from lampwork.permissions.callers import caller
from lampwork.permissions.record import Record
from lampwork.permissions.refusals import Refusal, refusal
from lampwork.permissions.requests.asked import Call, needs
from lampwork.permissions.requests.need import Need
from lampwork.stack.policies import DENY, Permissions, Statement, allows, statements_in

FOLDER: Final = "permissions"
# The document of a policy that AWS manages, by its ARN; None if it is not known.
Managed = Callable[[str], Mapping[str, Any] | None]


class Guard:
    """The guard of one process; those of a project share its data folder.

    What a function asks for is noted in the data folder. What functions may do is in a file there
    while permissions are enforced.
    """

    def __init__(self, data: Path, managed: Managed) -> None:
        self.record = Record(data / FOLDER / "asked.jsonl")
        self._file = data / FOLDER / "enforced.json"
        self._managed = managed
        self._read_at: int | None = None
        self._enforced: dict[str, tuple[str, Permissions]] = {}

    def enforce(self, permissions: Mapping[str, tuple[str, Permissions]] | None) -> None:
        """From now on, refuse what these do not allow; None refuses nothing.

        By the logical ids of functions, they are the name of the function, and what it may do.
        """
        if permissions is None:
            self._file.unlink(missing_ok=True)
            return
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._file.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps({key: (n, asdict(p)) for key, (n, p) in permissions.items()}))
        partial.replace(self._file)

    def refused(self, call: Call) -> Refusal | None:
        """The answer to a call that its function may not make; None for all others."""
        function = caller(call.headers, call.query)
        if function is None:
            return None
        try:
            needed = needs(call)
        except (AttributeError, TypeError, ValueError):  # malformed, as its service will say
            return None
        for need in needed:
            self.record.add(function, need)
        self._reread()
        name, permissions = self._enforced.get(function, ("", None))
        if permissions is None:  # of a role that the template does not define
            return None
        for need in needed:
            if not is_allowed(permissions, need, self._managed):
                denied = any(
                    each.effect == DENY and each.is_about(*need) for each in permissions.statements
                )
                return refusal(call, need, name, explicit=denied)
        return None

    def _reread(self) -> None:
        try:
            changed = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            self._read_at, self._enforced = None, {}
            return
        if changed != self._read_at:
            said = json.loads(self._file.read_text())
            self._enforced = {key: (name, _permissions(each)) for key, (name, each) in said.items()}
            self._read_at = changed


def is_allowed(permissions: Permissions, need: Need, managed: Managed) -> bool:
    """Documents of managed policies are read only where the function's own do not allow it."""
    if allows(permissions.statements, *need):
        return True
    documents = [managed(arn) for arn in permissions.managed]
    more = (each for document in documents if document for each in statements_in(document))
    return allows([*permissions.statements, *more], *need)


def _permissions(said: Mapping[str, Any]) -> Permissions:
    parts = ("actions", "resources", "not_actions", "not_resources")
    statements = tuple(
        Statement(
            effect=each["effect"],
            conditional=each["conditional"],
            **{part: tuple(each[part]) for part in parts},
        )
        for each in said["statements"]
    )
    return Permissions(statements, tuple(said["managed"]))
