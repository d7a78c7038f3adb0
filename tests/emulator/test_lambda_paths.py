"""A function finds its code at /var/task, its layers at /opt, and a /tmp of its own.

https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
https://docs.aws.amazon.com/lambda/latest/dg/configuration-ephemeral-storage.html
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.world import mounts
from lampwork.runtime.world.ability import why_not
from lampwork.runtime.world.editors_paths import with_editors_paths
from lampwork.stack.function_overrides import Debugged
from tests.emulator.lampwork_process import SampleProject
from tests.emulator.runtime_fixtures import function, running, write

WHERE = """
import json, os, sys
import inner, packaged

def handler(event, context):
    return {
        "file": __file__, "inner": inner.__file__, "packaged": packaged.__file__,
        "cwd": os.getcwd(), "root": os.environ["LAMBDA_TASK_ROOT"], "path": sys.path[0],
    }
"""
FROM_TASK = {
    "file": "/var/task/app.py",
    "inner": "/var/task/lib/inner.py",
    "packaged": "/var/task/packaged/__init__.py",
    "cwd": "/var/task",
    "root": "/var/task",
    "path": "/var/task",
}


PR_SET_DUMPABLE = 4  # https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html


def packages(folder: Path) -> Path:
    write(folder / "site-packages", "packaged.__init__", "")
    return folder / "site-packages"


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
@pytest.mark.parametrize("python_path", ["/var/task/lib", "lib"])
async def test_code_and_packages_are_in_one_folder_of_lambdas_name(tmp_path, cold, python_path):
    code = tmp_path / "code"
    write(code, "lib.inner", "")
    app = function(
        code,
        WHERE,
        requirements=packages(tmp_path),
        environment={"PYTHONPATH": python_path},
    )

    async with running(app, cold=cold, lambda_paths=True) as run:
        assert await run.result() == FROM_TASK


async def test_without_mounts_the_same_paths_in_variables_lead_to_the_folders_themselves(tmp_path):
    code = tmp_path / "code"
    write(code, "lib.inner", "")
    app = function(
        code,
        WHERE,
        requirements=packages(tmp_path),
        environment={"PYTHONPATH": "/var/task/lib:/elsewhere"},
    )

    async with running(app) as run:
        assert await run.result() == {
            "file": f"{code}/app.py",
            "inner": f"{code}/lib/inner.py",
            "packaged": f"{tmp_path}/site-packages/packaged/__init__.py",
            **dict.fromkeys(("cwd", "root", "path"), str(code)),
        }


async def test_the_code_cannot_be_written_at_its_lambda_path_but_at_its_own(tmp_path):
    source = f"""
    import os
    def handler(event, context):
        open({str(tmp_path / "beside")!r}, "w").close()
        try:
            open("file", "w")
        except OSError as error:
            return error.errno, error.strerror
    """
    async with running(function(tmp_path, source), lambda_paths=True) as run:
        assert await run.result() == [30, "Read-only file system"]
    assert (tmp_path / "beside").exists()


async def test_tmp_is_the_environments_own_except_what_a_variable_names(tmp_path):
    with tempfile.TemporaryDirectory(dir="/tmp") as place, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{place}/server.sock")
        source = """
        import os, socket, tempfile
        def handler(event, context):
            known = os.path.exists("/tmp/of-this-environment")
            open("/tmp/of-this-environment", "w").close()
            there = stat.S_ISSOCK(os.stat(os.environ["SERVER"].removeprefix("unix://")).st_mode)
            return known, there, tempfile.gettempdir(), os.path.exists(os.environ["HIDDEN"][1:])
        import stat
        """
        hidden = Path(place) / "hidden"
        hidden.touch()
        variables = {"SERVER": f"unix://{place}/server.sock", "HIDDEN": f"x{hidden}"[:-1]}
        one, other = (
            function(tmp_path, source, name=name, environment=variables)
            for name in ("one", "other")
        )
        async with running(one, other, lambda_paths=True) as run:
            assert await run.result("one") == [False, True, "/tmp", False]
            assert await run.result("one") == [True, True, "/tmp", False]
            assert await run.result("other") == [False, True, "/tmp", False]
    assert not Path("/tmp/of-this-environment").exists()


@pytest.mark.parametrize("folder", ["", "folder/"])
async def test_a_database_in_tmp_that_a_variable_names_is_shared_with_its_journal(
    tmp_path: Path, folder: str
):
    source = """
    import os, tempfile
    def handler(event, context):
        database = os.environ["DATABASE"].removeprefix("sqlite:///")
        open(f"{database}-wal", "w").close()
        return os.path.exists(database), os.path.isdir(tempfile.gettempdir())
    """
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        name = f"/tmp/{Path(place).name}.db" if not folder else f"{place}/app.db"
        database = Path(name)
        database.touch()
        app = function(tmp_path, source, environment={"DATABASE": f"sqlite:///{database}"})
        try:
            async with running(app, lambda_paths=True) as run:
                assert await run.result() == [True, True]
            assert Path(f"{database}-wal").exists()
        finally:
            for file in (database, Path(f"{database}-wal")):
                file.unlink(missing_ok=True)


async def test_layers_are_merged_in_opt_the_last_one_first_and_hide_nothing_there(tmp_path):
    lower, upper, source = (tmp_path / name for name in ("lower", "upper", "source"))
    for layer, text in ((lower, "lower"), (upper, "upper")):
        write(layer, "python.layered", f"which = {text!r}")
        (layer / f"{text}.txt").write_text(text)
    write(lower, "python.below.one", "")
    write(upper, "python.below.two", "")
    write(source, "unbuilt", "")
    (upper / "bin").mkdir()
    (upper / "bin" / "tool").write_text("#!/bin/sh\necho a tool\n")
    (upper / "bin" / "tool").chmod(0o755)
    asked = """
    import os, subprocess
    import layered, unbuilt
    import below.one, below.two
    def handler(event, context):
        return {
            "which": layered.which, "file": layered.__file__, "unbuilt": unbuilt.__file__,
            "texts": [open(f"/opt/{name}.txt").read() for name in ("lower", "upper")],
            "tool": subprocess.run(["tool"], capture_output=True, text=True).stdout,
            "opt": os.listdir("/opt"),
        }
    """
    app = function(
        tmp_path / "code",
        asked,
        layers=(lower, upper, source),
        source_layers=frozenset((source,)),
    )

    async with running(app, lambda_paths=True) as run:
        found = await run.result()

    assert set(os.listdir("/opt")) <= set(found.pop("opt"))
    assert found == {
        "which": "upper",
        "file": "/opt/python/layered.py",
        "unbuilt": "/opt/python/unbuilt.py",
        "texts": ["lower", "upper"],
        "tool": "a tool\n",
    }


async def test_a_relative_link_that_leads_out_of_the_code_is_followed_as_sam_build_does(tmp_path):
    write(tmp_path / "common", "helper", "name = 'helper'")
    code = tmp_path / "functions" / "app"
    app = function(
        code, "from common import helper\ndef handler(event, context): return helper.__file__"
    )
    (code / "common").symlink_to("../../common")

    async with running(app, lambda_paths=True) as run:
        assert await run.result() == "/var/task/common/helper.py"


async def test_a_saved_file_is_run_by_the_next_request(tmp_path):
    app = function(tmp_path, "def handler(event, context): return 1")

    async with running(app, lambda_paths=True) as run:
        assert await run.result() == 1
        write(tmp_path, "app", "def handler(event, context): return 2")
        await run.functions.reload({app.logical_id: app})
        assert await run.result() == 2


async def test_an_error_names_lambdas_path_and_the_terminal_the_file_itself(tmp_path):
    project = SampleProject.create(tmp_path)
    try:
        failed = project.run("invoke", "Fail")
    finally:
        project.close()

    assert 'File \\"/var/task/hello.py\\", line 7' in failed.stdout
    assert f'File "{tmp_path}/hello.py", line 7, in fail' in failed.stderr


def test_a_file_of_requirements_or_of_a_layer_is_shown_where_an_editor_finds_it(tmp_path):
    write(tmp_path / "layer", "python.layered", "")
    app = function(
        tmp_path / "code",
        "",
        requirements=packages(tmp_path),
        layers=(tmp_path / "layer",),
    )
    text = 'File "/opt/python/layered.py", line 1\nFile "/var/task/packaged/__init__.py", line 1'

    assert with_editors_paths(text, app) == (
        f'File "{tmp_path}/layer/python/layered.py", line 1\n'
        f'File "{tmp_path}/site-packages/packaged/__init__.py", line 1'
    )


def test_a_function_that_a_debugger_waits_for_keeps_its_own_paths(tmp_path):
    app = function(tmp_path, "")
    settings = RuntimeSettings(tmp_path, lambda_paths=True, debugged=Debugged("App", 5678))

    assert not settings.shows_lambda_paths(app)
    assert RuntimeSettings(tmp_path, lambda_paths=True).shows_lambda_paths(app)


async def test_a_machine_that_refuses_mounts_is_recognised(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n")
    python.chmod(0o755)

    assert await why_not(str(python)) == "unshare: Operation not permitted"
    assert await why_not(sys.executable) is None


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        ("pass", "None"),
        ("mounts.try_out = lambda spare: open('missing')", "[Errno 2]"),
        ("mounts.try_out = lambda spare: os.abort()", "a trial of it ended early"),
    ],
)
def test_a_trial_that_began_early_says_whether_the_machine_allows_mounts(happens, reason):
    lines = [
        "import asyncio, os",
        "from lampwork.runtime.world import ability, mounts",
        happens,
        "ability.begin()",
        "print(asyncio.run(ability.why_not('/no/other/python')))",
    ]
    program = [sys.executable, "-c", "\n".join(lines)]

    run = subprocess.run(program, capture_output=True, text=True, check=True)

    assert run.stdout.startswith(reason)
    assert run.stderr == ""


def test_mounts_need_no_rights_of_root():
    """https://man7.org/linux/man-pages/man7/user_namespaces.7.html"""
    spare = tempfile.mkdtemp()  # which others may enter, unlike pytest's folders
    os.chmod(spare, 0o777)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                mounts.LIBC.prctl(PR_SET_DUMPABLE, 1)  # as in a process that began as this user
            mounts.try_out(spare)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    shutil.rmtree(spare)

    assert status == 0


LOCKS = """
import multiprocessing, concurrent.futures

def tried(make):
    try:
        make()
    except OSError as error:
        return str(error)

def handler(event, context):
    makers = (
        multiprocessing.Lock, multiprocessing.Queue, multiprocessing.Semaphore,
        multiprocessing.Pool, concurrent.futures.ProcessPoolExecutor,
    )
    reader, writer = multiprocessing.Pipe()
    child = multiprocessing.Process(target=writer.send, args=("by a pipe",))
    child.start()
    return [reader.recv(), *map(tried, makers)]
"""


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_multiprocessing_has_pipes_but_no_semaphores(tmp_path, cold):
    """https://aws.amazon.com/blogs/compute/parallel-processing-in-python-with-aws-lambda/"""
    async with running(function(tmp_path, LOCKS), cold=cold) as run:
        refused = "[Errno 38] Function not implemented"
        assert await run.result() == ["by a pipe", *[refused] * 5]


async def test_a_project_may_allow_what_lambda_refuses_of_multiprocessing(tmp_path):
    async with running(function(tmp_path, LOCKS), multiprocessing=True) as run:
        assert await run.result() == ["by a pipe", *[None] * 5]


WRAPPER = """\
#!/bin/bash
args=("$@")
export BY_WRAPPER="${args[*]:1}"
exec "${args[0]}" -X dev "${args[@]:1}"
"""


def with_wrapper(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "wrapper").write_text(WRAPPER)
    (folder / "wrapper").chmod(0o755)
    return folder


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
@pytest.mark.parametrize("mounted", [True, False], ids=["mounted", "in place"])
@pytest.mark.parametrize("place", ["/var/task", "/opt"])
async def test_a_wrapper_script_starts_the_runtime_with_its_options(tmp_path, cold, mounted, place):
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper"""
    code = tmp_path / "code"
    layer = with_wrapper(tmp_path / "layer")
    source = """
    import os, sys
    def handler(event, context):
        by_wrapper = os.environ["BY_WRAPPER"]
        return sys.flags.dev_mode, by_wrapper.endswith(".py"), sys.path[0] == os.getcwd()
    """
    app = function(
        code, source, layers=(layer,), environment={"AWS_LAMBDA_EXEC_WRAPPER": f"{place}/wrapper"}
    )
    with_wrapper(code)

    async with running(app, cold=cold, lambda_paths=mounted) as run:
        assert await run.result() == [True, True, True]
        assert await run.result() == [True, True, True]


async def test_a_wrapper_script_that_is_missing_is_named(tmp_path):
    app = function(
        tmp_path,
        "def handler(event, context): pass",
        environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/absent"},
    )

    async with running(app, lambda_paths=True) as run:
        assert (await run.error())["errorType"] == "Runtime.ExitError"
        await run.printed(
            "AWS_LAMBDA_EXEC_WRAPPER: /opt/absent cannot be run: No such file or directory."
        )


def test_the_switches_are_read_from_the_configuration(tmp_path):
    project = SampleProject.create(tmp_path)
    project.configure("lambda_paths = false\n")
    (tmp_path / "hello.py").write_text("def handler(event, context): return __file__\n")
    try:
        assert json.loads(project.run("invoke", "Hello").stdout) == f"{tmp_path}/hello.py"
    finally:
        project.close()
