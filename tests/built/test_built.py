"""What ships is what ran: the whole story on the built layers and folders."""

import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.e2e.product import Product, all_processes

# The same tests as against the source. Those of slow tasks need a generator that is not shipped.
from tests.e2e.test_journey import (  # noqa: F401
    test_every_dependency_is_healthy,
    test_the_documented_httpie_commands_work_as_written,
    test_the_smoke_test_passes,
)
from tests.e2e.test_stream import (  # noqa: F401
    test_a_connect_after_the_end_gets_the_last_state_and_a_normal_close,
    test_a_token_may_come_as_a_subprotocol,
    test_missed_events_are_replayed,
    test_the_answer_and_every_frame_hold_the_id_of_the_request,
    test_two_watchers_see_the_same_states,
)

pytestmark = pytest.mark.built

OF_THE_RUNTIME = {"awslambdaric", "lampwork", "simplejson", "snapshot_restore_py"}


def test_the_emulator_has_none_of_the_applications_packages(python):
    asked = "import importlib.util as u; print(*(n for n in {!r} if u.find_spec(n)))"
    names = ["fastapi", "sqlalchemy", "mangum", "asyncpg", "numpy", "functions", "shared"]

    found = subprocess.run(
        [python, "-c", asked.format(names)], cwd="/", capture_output=True, text=True, check=True
    )

    assert found.stdout.split() == []


def test_every_function_loads_from_its_folder(product, functions):
    """An event that it does not know may be an error of the function, never of its import."""
    assert len(functions) >= 39
    for name in functions:
        path = f"/2015-03-31/functions/{name}/invocations"
        answer = httpx.post(f"{product.origin}{path}", json={"no": "event"}, timeout=60)
        said = answer.json() if answer.content else None
        kind = said.get("errorType", "") if isinstance(said, dict) else ""
        assert not kind.startswith(("Runtime.", "Sandbox.")), f"{name}: {answer.text}"
        assert answer.status_code == 200, f"{name}: {answer.text}"


def test_functions_have_loaded_libraries_from_the_layers_alone(product, python, template):
    packages = python.parent.parent / "lib"
    loaded: set[str] = set()
    for process in descendants(product):
        libraries = mapped(process)
        if any(str(template.parent) in each for each in libraries):  # a function's process
            loaded |= {each for each in libraries if each.startswith(str(packages))}

    of_packages = {each.partition("site-packages/")[2].split("/")[0] for each in loaded}
    assert {name.split(".")[0] for name in of_packages} <= OF_THE_RUNTIME
    assert any("_pydantic_core" in each for p in descendants(product) for each in mapped(p))


def descendants(product: Product) -> list[int]:
    processes = all_processes()
    found = [product.process.pid]
    for pid in found:
        found += [each.pid for each in processes if each.parent == pid]
    return found


def mapped(pid: int) -> set[str]:
    """The libraries that a process has loaded; none if it has just ended."""
    try:
        text = Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return set()
    return set(re.findall(r"/\S*\.so\S*", text))
