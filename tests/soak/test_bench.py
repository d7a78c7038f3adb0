"""Each bench that starts servers starts them and prints its figures; the figures are no subject."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.soak

SMALL = {
    "application": "--rounds 1 --seconds 0.1",
    "load": "--users 2 --tasks 2",
    "idle": "--seconds 1 --settle 0",
    "imports": "--rounds 1",
    "saves": "--saves 2",
}
PRINTED = {
    "application": "POST /auth/login p50, ms",
    "load": "lampwork: ended 4 completed",
    "idle": "after a picture: % of a core",
    "saves": "95 in 100, ms",
    "imports": "functions.ws_connect.connect: ",
}


@pytest.mark.parametrize("name", SMALL)
def test_a_bench_starts_and_prints_its_figures(name):
    command = [sys.executable, "-m", "bench", name, *SMALL[name].split()]

    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert PRINTED[name] in shown
