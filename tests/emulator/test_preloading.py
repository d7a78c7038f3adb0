"""A forked process is to be indistinguishable from a fresh one. `make preloading` shows it for the
packages that are used most."""

import asyncio
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lampwork.runtime.launcher_registry import FEW_FUNCTIONS
from lampwork.stack.model import Function
from tests.emulator.runtime_fixtures import function, processes_of, running, write
from tests.preloading import probe
from tests.preloading.differences import differing

# The process in which a package was loaded: the function's, or the one that it was forked from.
WHERE = "import os\nLOADED_BY = os.readlink('/proc/self')"
REPORTED = re.compile(r"Max Memory Used: (\d+) MB")
TAKING_FROM_OS = "import shutil, tempfile, glob, pathlib, multiprocessing, random, subprocess, uuid"
REPORT = """
    import os
    {imports}
    FORKED = {{
        name: module.LOADED_BY != os.readlink('/proc/self')
        for name, module in list(globals().items()) if hasattr(module, "LOADED_BY")
    }}

    def handler(event, context):
        return {answer}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The folder of a function's requirements, among the emulator's data."""
    folder = tmp_path / ".data" / "requirements" / "key" / "site-packages"
    folder.mkdir(parents=True)
    return folder


def importing(
    folder: Path, site: Path, imports: str, answer: str = "FORKED", **options: Any
) -> Function:
    source = REPORT.format(imports=imports.replace("\n", "\n    "), answer=answer)
    return function(folder, source, requirements=site, **options)


def package(site: Path, name: str, source: str = "") -> None:
    write(site, name, f"{WHERE}\n{source}")


async def answers(*functions: Function, cold: bool = False) -> list[Any]:
    async with running(*functions, cold=cold) as run:
        return [await run.result(each.name) for each in functions]


async def test_a_package_is_loaded_before_the_fork(tmp_path: Path, site: Path) -> None:
    package(site, "plain")

    assert await answers(importing(tmp_path, site, "import plain")) == [{"plain": True}]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import threading\nthreading.Thread(target=print).start()", "starts a thread"),
        ("import socket\nS = socket.socket()", "leaves a file open"),
        ("F = open('/dev/null')", "leaves a file open"),
        ("import subprocess\nsubprocess.run(['true'])", "starts a process"),
        ("import sys\nOUT = sys.stdout", "keeps sys.stdout"),
        ("import uuid\nID = uuid.uuid4()", "takes random numbers"),
        ("import time\nSTARTED = time.time()", "keeps the time"),
        ("import os\nPID = os.getpid()", "keeps the process's id"),
        ("import random\nDICE = random.Random()", "keeps random numbers"),
        ("import os\nos.environ['SET'] = 'x'", "sets SET"),
        ("import os\nALL = dict(os.environ)", "reads *"),
        ("import os\nSTREAM = os.environ['AWS_LAMBDA_LOG_STREAM_NAME']", "reads AWS_LAMBDA_LOG"),
        ("import sys\nPROGRAM = sys.argv[0]", "reads sys.argv"),
        ("import sys\nsys.path.append('/x')", "changes sys.path"),
        ("import os\nHERE = os.listdir()", "depends on the working folder"),
        ("import tempfile\nF = tempfile.mkdtemp()", "reads TMPDIR"),
        ("import logging\nlogging.basicConfig()", "sets up logging"),
        ("import signal\nsignal.signal(signal.SIGUSR1, print)", "handles a signal"),
        ("print('hello')", "prints"),
        ("import gc\ngc.disable()", "sets up garbage collection"),
        ("raise OSError", "cannot be imported"),
    ],
)
async def test_a_package_whose_import_a_fork_would_tell_from_its_own_is_left_to_the_function(
    tmp_path: Path, site: Path, source: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    package(site, "odd", source)
    package(site, "plain")
    imports = "import plain\ntry:\n    import odd\nexcept OSError:\n    pass"

    with caplog.at_level(logging.DEBUG, "lampwork"):
        (seen,) = await answers(importing(tmp_path, site, imports))

    assert seen.pop("plain")
    assert not any(seen.values())
    assert f"odd is not loaded before forking: it {why}" in caplog.text


async def test_many_functions_have_no_servers_of_their_own_until_they_are_used_again(
    tmp_path: Path, site: Path
) -> None:
    package(site, "shared_one")
    names = [f"app{number}" for number in range(FEW_FUNCTIONS + 1)]
    for name in names:
        package(site, f"own_{name}")
    answer = "FORKED if event != 'end' else os._exit(1)"
    functions = [
        importing(tmp_path / name, site, f"import shared_one, own_{name}", answer, name=name)
        for name in names
    ]

    async with running(*functions) as run:
        at_start = len(processes_of(os.getpid()))
        first = await run.result("app0")
        await run.functions.reload({each.logical_id: each for each in functions})
        again = await run.result("app0")
        with_its_own = len(processes_of(os.getpid()))
        await run.invoke("app0", "end")
        async with asyncio.timeout(30):
            while len(processes_of(os.getpid())) > at_start:
                await asyncio.sleep(0.02)
        after_rest = await run.result("app0")

    assert first == {"shared_one": True, "own_app0": False}
    assert again == {"shared_one": True, "own_app0": True}
    assert with_its_own >= at_start + 2
    assert after_rest == {"shared_one": True, "own_app0": False}


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_a_package_that_reads_variables_when_it_is_imported_sees_the_functions(
    tmp_path: Path, site: Path, cold: bool
) -> None:
    package(
        site,
        "reader",
        """
import os
SEEN = [os.environ.get(k) for k in ("LEVEL", "AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT")]
""",
    )
    functions = [
        importing(
            tmp_path / name,
            site,
            "import reader",
            "reader.SEEN",
            name=name,
            environment={"LEVEL": name.upper()},
        )
        for name in ("one", "two")
    ]

    assert await answers(*functions, cold=cold) == [
        ["ONE", "one", str(tmp_path / "one")],
        ["TWO", "two", str(tmp_path / "two")],
    ]


async def test_a_function_has_no_module_that_only_another_function_imports(
    tmp_path: Path, site: Path
) -> None:
    for name in ("shared_one", "extra", "other"):
        package(site, name)
    answer = "[sorted(FORKED), [n for n in ('extra', 'other') if n in __import__('sys').modules]]"
    one = importing(tmp_path / "a", site, "import shared_one, extra", answer, name="one")
    two = importing(tmp_path / "b", site, "import shared_one, other", answer, name="two")

    assert await answers(one, two) == [
        [["extra", "shared_one"], ["extra"]],
        [["other", "shared_one"], ["other"]],
    ]


async def test_functions_share_the_server_that_has_loaded_what_they_have_in_common(
    tmp_path: Path, site: Path
) -> None:
    for name in ("shared_one", "extra", "other"):
        package(site, name)
    answer = "[FORKED, shared_one.LOADED_BY]"
    one = importing(tmp_path / "a", site, "import shared_one, extra", answer, name="one")
    two = importing(tmp_path / "b", site, "import shared_one, other", answer, name="two")

    (first, by_one), (second, by_two) = await answers(one, two)

    assert first == {"shared_one": True, "extra": True}
    assert second == {"shared_one": True, "other": True}
    assert by_one == by_two


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_a_name_is_what_a_plain_import_makes_it(
    tmp_path: Path, site: Path, cold: bool
) -> None:
    # As in pip._internal: the package has a function `main` and a module `main`.
    write(site, "tool.__init__", "def main(): pass")
    write(site, "tool.main", "")
    write(site, "tool.lazy", "")
    imports = "from tool import main\nimport tool"
    app = importing(tmp_path, site, imports, "[type(main).__name__, sorted(vars(tool))]")

    ((kind, names),) = await answers(app, cold=cold)

    assert kind == "function"
    assert "lazy" not in names


@pytest.mark.parametrize("where", ["code", "layer"])
@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_a_functions_own_copy_of_a_part_of_a_package_wins(
    tmp_path: Path, site: Path, where: str, cold: bool
) -> None:
    # As pydantic and its compiled part, pydantic_core.
    write(site, "whole", "import whole_core\nCORE = whole_core.VERSION")
    write(site, "whole_core", "VERSION = 'installed'")
    code = tmp_path / "code"
    write(
        code if where == "code" else tmp_path / "layer" / "python", "whole_core", "VERSION = 'own'"
    )
    layers = {"layers": (tmp_path / "layer",)} if where == "layer" else {}
    own = importing(code, site, "import whole", "whole.CORE", name="own", **layers)
    other = importing(tmp_path / "other", site, "import whole", "whole.CORE", name="other")

    # The folder of requirements comes before layers, and after the code.
    expected = "own" if where == "code" else "installed"
    assert await answers(own, other, cold=cold) == [expected, "installed"]


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_a_functions_own_optional_package_is_found_by_an_installed_one(
    tmp_path: Path, site: Path, cold: bool
) -> None:
    write(site, "choosing", "try:\n    import fast as found\nexcept ImportError:\n    found = None")
    write(tmp_path / "a", "fast", "")
    one = importing(tmp_path / "a", site, "import choosing", "bool(choosing.found)", name="one")
    two = importing(tmp_path / "b", site, "import choosing", "bool(choosing.found)", name="two")

    assert await answers(one, two, cold=cold) == [True, False]


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_the_metadata_of_a_functions_own_copy_is_found(
    tmp_path: Path, site: Path, cold: bool
) -> None:
    write(
        site, "versioned", "from importlib.metadata import version\nVERSION = version('Versioned')"
    )
    for folder, version in ((site, "1.0"), (tmp_path / "a", "2.0")):
        metadata = folder / f"versioned-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: versioned\nVersion: {version}\n")
    one = importing(tmp_path / "a", site, "import versioned", "versioned.VERSION", name="one")
    two = importing(tmp_path / "b", site, "import versioned", "versioned.VERSION", name="two")

    assert await answers(one, two, cold=cold) == ["2.0", "1.0"]


async def test_a_compiled_file_that_names_a_variable_counts_as_reading_it(
    tmp_path: Path, site: Path
) -> None:
    import _csv  # any small compiled module

    compiled = Path(_csv.__file__ or "")
    named = compiled.read_bytes() + b"\0COMPILED_LEVEL\0"
    (site / compiled.name).write_bytes(named)
    package(site, "wrapper", "import _csv")
    functions = [
        importing(
            tmp_path / name,
            site,
            "import wrapper",
            "[FORKED, wrapper.LOADED_BY]",
            name=name,
            environment={"COMPILED_LEVEL": level},
        )
        for name, level in (("one", "1"), ("two", "1"), ("three", "3"))
    ]

    (_, one), (_, two), (_, three) = await answers(*functions)

    assert one == two != three


async def test_code_of_the_project_that_python_finds_elsewhere_is_not_loaded_beforehand(
    tmp_path: Path, site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "elsewhere", "own_code", WHERE)
    write(
        site,
        "installed",
        f"import sys\nsys.path.append({str(tmp_path / 'elsewhere')!r})\nimport own_code",
    )

    with caplog.at_level(logging.DEBUG, "lampwork"):
        await answers(importing(tmp_path / "a", site, "import installed", "1"))

    assert "belongs to a project" in caplog.text


async def test_a_module_named_in_the_settings_shows_itself_only_when_it_is_imported(
    tmp_path: Path, site: Path
) -> None:
    package(site, "driver", "import os\nSEEN = os.environ.get('DRIVER')")
    source = """
        import os, sys
        BEFORE = "driver" in sys.modules
        if os.environ.get("SET"):
            os.environ["DRIVER"] = "changed"
        def handler(event, context):
            import driver
            forked = driver.LOADED_BY != os.readlink('/proc/self')
            return [BEFORE, forked, driver.SEEN, driver.__spec__.name]
    """
    one = function(tmp_path / "a", source, name="one", requirements=site)
    two = function(tmp_path / "b", source, name="two", requirements=site, environment={"SET": "1"})

    async with running(one, two, preload=("driver",)) as run:
        assert await run.result("one") == [False, True, None, "driver"]
        assert await run.result("two") == [False, False, "changed", "driver"]


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_packages_that_share_a_package_are_loaded_in_the_functions_order(
    tmp_path: Path, site: Path, cold: bool
) -> None:
    # As requests, which looks for the modules of urllib3 that are there, and boto3, which loads
    # more of them.
    write(site, "base.__init__", "")
    write(site, "base.more", "")
    looks = "import sys, base\nFOUND = 'base.more' in sys.modules\nOUT = sys.stdout"
    write(site, "looks", looks)
    write(site, "loads", "import base.more")
    package(site, "plain")
    app = importing(tmp_path, site, "import looks, loads, plain", "[looks.FOUND, FORKED]")

    assert await answers(app, cold=cold) == [[False, {"plain": not cold}]]


async def test_a_package_that_is_loaded_anyway_does_not_keep_functions_from_others(
    tmp_path: Path, site: Path
) -> None:
    # AWS's runtime client loads it in every process.
    package(site, "plain")
    one = importing(tmp_path / "a", site, "import simplejson", "1", name="one")
    two = importing(tmp_path / "b", site, "import plain", name="two")

    assert await answers(one, two) == [1, {"plain": True}]


async def test_the_memory_of_a_forked_process_counts_as_that_of_a_fresh_one(
    tmp_path: Path, site: Path
) -> None:
    package(site, "large", "DATA = [str(number) for number in range(1_000_000)]")
    app = importing(tmp_path, site, "import large", memory_mb=512)
    used = []

    for cold in (False, True):
        async with running(app, cold=cold) as run:
            (forked,) = (await run.result()).values()
            used += [int(found[1]) for _, line in run.lines if (found := REPORTED.search(line))]

        assert forked is not cold

    assert 60 < used[0] < 120
    assert used[0] == pytest.approx(used[1], rel=0.1)


@pytest.fixture
def probed(tmp_path: Path) -> Path:
    shutil.copy(probe.__file__, tmp_path)
    # What these modules of Python find in `os` while they are imported, they keep.
    write(tmp_path / ".data" / "requirements" / "key" / "site-packages", "toys", TAKING_FROM_OS)
    return tmp_path


@pytest.mark.parametrize(
    "imports",
    ["", "import fastapi, mangum, boto3", "from pip._internal import main", "import toys"],
)
async def test_a_forked_process_looks_like_a_fresh_one(probed: Path, imports: str) -> None:
    source = f"{imports}\nimport probe\nSEEN = probe.snapshot()\n"
    source += "def handler(event, context): return SEEN"
    # With one hash seed for both, sets have one order.
    site = probed / ".data" / "requirements" / "key" / "site-packages"
    app = function(probed, source, environment={"PYTHONHASHSEED": "0"}, requirements=site)

    (forked,), (fresh,) = await answers(app), await answers(app, cold=True)
    (another,) = await answers(app, cold=True)

    assert differing(forked, fresh) - differing(another, fresh) == set()
