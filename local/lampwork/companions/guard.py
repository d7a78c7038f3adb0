"""Stops what a killed emulator leaves behind: `python -m lampwork.companions.guard RUN_DIR`."""

import subprocess
import sys
from pathlib import Path

from lampwork.companions.pidfile import stop_left_overs


class Guard:
    """A process that notices when this one ends, however that happens: its standard input ends.

    The death signal reaches only the companions; the guard stops the processes they have started.
    """

    def __init__(self, run_dir: Path) -> None:
        command = [sys.executable, "-m", "lampwork.companions.guard", str(run_dir)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, start_new_session=True, cwd="/"
        )

    def close(self) -> None:
        """End the guard. Stop all companions first."""
        self._process.communicate()


def main(run_dir: Path) -> None:
    sys.stdin.read()
    stop_left_overs(run_dir)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
