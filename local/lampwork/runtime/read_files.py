"""Which of the user's files a function's process reads, as the process itself can tell.

The emulator watches these files: an edit of one means that the process is out of date, whatever
the file's name and wherever it lies.
"""

import json
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from lampwork.runtime.user_code import UserCode
from lampwork.runtime.world.mounts import real_path

# None for a file that is not there.
Signature = tuple[int, int, int]

# A function that opens more files than these has no end of them: it does not live off them.
MOST: Final = 20_000
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Files of the system: users change them by other means than an editor, and not for a function.
_SYSTEM: Final = (
    *("/dev/", "/proc/", "/sys/", "/run/", "/etc/", "/lib/", "/lib64/", "/var/lib/"),
    *("/usr/lib/", "/usr/share/", "/usr/local/lib/", "/usr/local/share/"),
)


@dataclass(frozen=True, slots=True)
class FileUse:
    """A file that a process has opened, and its state then: what it read is as new as that. The
    process may have written the file itself."""

    path: str
    state: Signature | None
    written: bool = False

    @classmethod
    def from_json(cls, written: bytes) -> list[Self]:
        parts = json.loads(written)
        return [cls(path, tuple(state) if state else None, by) for path, state, by in parts]


def to_json(uses: Iterable[FileUse]) -> bytes:
    return json.dumps([(use.path, use.state, use.written) for use in uses]).encode()


def state_of(path: str) -> Signature | None:
    """What an edit changes: the time of the last change, the size, and the file itself."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class Recorder:
    """Notes which files this process opens. It does so for the life of the process, since Python
    forgets no audit hook. https://docs.python.org/3/library/audit_events.html
    """

    def __init__(self) -> None:
        self.new: list[FileUse] = []
        self._seen: set[Any] = set()

    def start(self, user_code: UserCode, code_dir: str) -> None:
        """`code_dir` is the function's folder, by the path that it has outside of the process."""
        self._user_code = user_code
        self._code_dir = code_dir
        note = self._note

        # A function, since Python looks for an attribute of the hook at each event, which takes
        # seven times as long with a method. A request of FastAPI has some ten events.
        def hear(event: str, arguments: Sequence[Any]) -> None:
            if event == "open":
                note(*arguments)
            elif event == "import" and arguments[1]:  # a compiled module
                note(arguments[1])

        sys.addaudithook(hear)

    def taken(self) -> list[FileUse]:
        """What is new since the last time."""
        new, self.new = self.new, []
        return new

    def _note(self, path: Any, mode: Any = None, flags: Any = 0, *_: object) -> None:
        """Never fails: that would be the function's failure."""
        try:
            # An open file, or a new one, such as those of `tempfile`.
            if isinstance(path, int) or flags & os.O_EXCL:
                return
            written = bool(flags & _WRITES)
            if (path, written) in self._seen or len(self._seen) > MOST:
                return
            self._seen.add((path, written))
            name = real_path(os.path.abspath(os.fsdecode(path)), self._code_dir)
            if self._is_users(name):
                self.new.append(FileUse(name, state_of(name), written))
        except (OSError, TypeError, ValueError):  # no path, which `open` is about to say
            return

    def _is_users(self, path: str) -> bool:
        if path not in self._user_code or path.endswith(".pyc"):
            return False
        if path.startswith(_SYSTEM) and not self._user_code.holds(path):
            return False
        try:
            return not stat.S_ISDIR(os.stat(path).st_mode)
        except OSError:
            return True  # not there yet
