"""What functions have asked of AWS, kept in a file of one JSON object a line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lampwork.json_text import parsed
from lampwork.permissions.requests.need import Need

# Of one function, so many resources are kept for each action: keys of objects have no end.
MOST_RESOURCES: Final = 50
MOST_ACTIONS: Final = 1000
# Of a longer line than this, something else than this module is the author.
LONGEST: Final = 4096


@dataclass(slots=True)
class Asked:
    """What each function has asked for, by logical ids. One that has only run is there, too."""

    needs: dict[str, set[Need]] = field(default_factory=dict)

    def add(self, function: str, need: Need | None) -> bool:
        """Whether it is new, and not one too many."""
        known = self.needs.get(function)
        if known is None:
            known = self.needs[function] = set()
            if need is None:
                return True
        if need is None or need in known or len(known) >= MOST_ACTIONS * MOST_RESOURCES:
            return False
        if sum(each.action == need.action for each in known) >= MOST_RESOURCES:
            return False
        known.add(need)
        return True


class Record:
    """The file, which several processes may write. It is made when there is something to keep."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._asked: Asked | None = None

    def ran(self, function: str) -> None:
        """Note that a function runs: what it never asks for, it does not need."""
        self._add(function, None)

    def add(self, function: str, need: Need) -> None:
        self._add(function, need)

    def read(self) -> Asked:
        """What the file says now."""
        asked = Asked()
        for function, need in self._lines():
            asked.add(function, need)
        return asked

    def forget(self) -> None:
        self._file.unlink(missing_ok=True)

    def _add(self, function: str, need: Need | None) -> None:
        if self._asked is None or not self._file.exists():
            self._asked = self.read()
        if self._asked.add(function, need):
            line = {"function": function, **(need._asdict() if need else {})}
            text = json.dumps(line) + "\n"
            if len(text) <= LONGEST:  # which is written at once, whoever else writes
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(text)

    def _lines(self) -> Iterator[tuple[str, Need | None]]:
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                said = parsed(line)
            except ValueError:  # cut off when a disk was full
                continue
            if isinstance(said, dict) and "function" in said:
                action = said.get("action")
                need = Need(str(action), str(said.get("resource", ""))) if action else None
                yield str(said["function"]), need
