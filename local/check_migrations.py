"""Checks that models and migrations agree: `python -m local.check_migrations`."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/migrations.db"
        for command in (["upgrade", "head"], ["check"]):
            finished = subprocess.run(
                [sys.executable, "-m", "alembic", *command],
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": url},
            )
            if finished.returncode:
                return finished.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
