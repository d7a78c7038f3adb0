"""The emulator as a child process."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from lampwork.errors import StartError

LOOK_AGAIN_SECONDS: Final = 0.02
STOP_WITHIN_SECONDS: Final = 20
SHOWN_CHARACTERS: Final = 8_000


class Child:
    """`lampwork up` with data of its own, which are removed with it."""

    def __init__(
        self, options: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        """
        Raises:
            StartError: there is no such folder.
        """
        self._data = TemporaryDirectory(prefix="lampwork-test-", ignore_cleanup_errors=True)
        root = Path(self._data.name)
        self._ready, self._log = root / "ready.json", root / "output.txt"
        command = [sys.executable, "-m", "lampwork", "up", "--testing", *options]
        own = ["--host", "127.0.0.1", "--port", "0", "--no-reload"]
        places = ["--data", str(root / "data"), "--ready-file", str(self._ready)]
        try:
            with self._log.open("wb") as output:
                self._process = subprocess.Popen(
                    [*command, *own, *places],
                    cwd=folder,
                    env=dict(environment),
                    stdin=subprocess.PIPE,  # its end tells the child that this process is gone
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
        except OSError as error:
            self._data.cleanup()
            raise StartError(f"The stack cannot start in {folder}: {error.strerror}.") from error

    def wait_until_ready(self, seconds: float) -> str:
        """The address at which it answers, once it does.

        Raises:
            StartError: it ended, or took longer. The message has what it said.
        """
        deadline = time.monotonic() + seconds
        while not self._ready.exists():
            if self._process.poll() is not None:
                raise StartError(f"The stack did not start. It said:\n{self.output()}")
            if time.monotonic() > deadline:
                raise StartError(
                    f"The stack did not start within {seconds:g} s. It said:\n{self.output()}"
                )
            time.sleep(LOOK_AGAIN_SECONDS)
        return str(json.loads(self._ready.read_text())["origin"])

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def output(self, since: int = 0) -> str:
        """The end of what it and its functions printed, of that after the first `since` bytes."""
        with contextlib.suppress(FileNotFoundError), self._log.open("rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace")[-SHOWN_CHARACTERS:]
        return ""

    def printed(self) -> int:
        """How many bytes it has printed."""
        with contextlib.suppress(FileNotFoundError):
            return self._log.stat().st_size
        return 0

    def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.terminate()
            self._process.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._data.cleanup()
