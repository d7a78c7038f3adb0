"""docs/developing.md, followed word for word in a copy of the repository."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.developing import Commands, Edit, NewFile, copy_repository, steps

pytestmark = pytest.mark.soak


def test_all_that_the_page_says_works_in_a_copy(tmp_path: Path) -> None:
    copy = copy_repository(tmp_path)
    variables = {**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{copy / 'local'}"}
    for step in steps():
        if isinstance(step, Commands):
            ended = subprocess.run(
                ["bash", "-euc", step.text],
                cwd=copy,
                env=variables,
                capture_output=True,
                text=True,
            )
            assert ended.returncode == 0, f"{step.text}\n{ended.stdout}\n{ended.stderr}"
        elif isinstance(step, NewFile):
            (copy / step.path).write_text(step.text)
        elif isinstance(step, Edit):
            text = (copy / step.path).read_text()
            assert text.count(step.old) == 1, step
            (copy / step.path).write_text(text.replace(step.old, step.new))
