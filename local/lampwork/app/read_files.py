"""The files that functions have read, and whether somebody has edited one of them since."""

import os
from collections.abc import Sequence

from lampwork.runtime.read_files import FileUse, Signature, state_of


class ReadFiles:
    """Knows the state in which functions read each file.

    It asks for the state of each file again and again, since no watch follows links or notices
    folders of any number and place; a function reads some dozens of files. What functions write
    themselves is never an edit.
    """

    def __init__(self) -> None:
        self._states: dict[str, Signature | None] = {}
        self._written: set[str] = set()

    def add(self, uses: Sequence[FileUse]) -> None:
        for use in uses:
            if use.written:
                self._written.add(os.path.realpath(use.path))
            elif use.state != self._states.setdefault(use.path, use.state):
                self._states[use.path] = None  # two processes have read it in two states

    def forget(self) -> None:
        """No process that has read a file is left: those that follow will tell anew."""
        self._states.clear()

    def is_written(self, path: str) -> bool:
        """Whether a function writes this file."""
        return path in self._written

    def edited(self) -> set[str]:
        """The files that are not as they were read."""
        changed = {path for path, known in self._states.items() if state_of(path) != known}
        return {path for path in changed if os.path.realpath(path) not in self._written}
