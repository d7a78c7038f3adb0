"""A function's own process: AWS's runtime client, in surroundings like those of Lambda."""

import ctypes
import gc
import logging
import os
import resource
import signal
import site
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lampwork.runtime import client
from lampwork.runtime.launching import own_hosts, source_cache
from lampwork.runtime.launching.aside import Aside
from lampwork.runtime.read_files import Recorder
from lampwork.runtime.user_code import EDITABLES, UserCode
from lampwork.runtime.world import mounts, semaphores, wrapper

aside = Aside()
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_OPEN_FILES = 1024
PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html


def run(
    channel: int,
    world: Mapping[str, Any] | None,
    wrapper_script: str | None,
    program: Sequence[str],
    extension: str | None,
    task: dict[str, Any],
) -> None:
    """Serve requests until the process is killed or the function ends it.

    The arguments are those of `Launch`. In a world, the process is in a namespace for mounts.
    """
    _use_batch_scheduling()
    if world and not mounts.build(mounts.World(**world)):
        task["packages"] = [*world["packages"], *task["packages"]]
    os.chdir(task["root"])
    limit_open_files()
    if extension:
        wrapper.become([extension], "Extension")
    if wrapper_script or program:
        runtime = program or wrapper.PYTHON_RUNTIME
        command = [wrapper_script, *runtime] if wrapper_script else runtime
        wrapper.run(command, {"channel": channel, **task})
    serve(channel, **task)


def serve(
    channel: int,
    handler: str,
    root: str,
    packages: Sequence[str],
    editables: Sequence[tuple[str, str]],
    code_dir: str,
    own_folders: Sequence[str],
    bytecode_dir: str,
    debug_port: int | None,
    multiprocessing: bool,
    hosts: Mapping[str, int],
    traces_imports: bool = False,
) -> None:
    """Serve requests, in the function's surroundings. The arguments are those of `Launch.task`."""
    if debug_port:
        _wait_for_debugger(debug_port)
    # Before the function's folder is on the path, where it could hide a module the client needs.
    recorder = Recorder()
    serve_forever = client.load(channel, recorder)
    if not multiprocessing:
        semaphores.refuse()
    own_hosts.resolve(hosts)
    if aside not in sys.meta_path:
        sys.meta_path.insert(0, aside)
    _extend_path(root, packages)
    _add_editable_projects(editables)
    user_code = UserCode.of(code_dir, ":".join(own_folders), os.path.dirname(bytecode_dir))
    source_cache.install(user_code, bytecode_dir, code_dir)
    recorder.start(user_code, code_dir)
    if traces_imports:
        _trace_imports()
    serve_forever(handler)


def _trace_imports() -> None:
    from lampwork.runtime.cold_start.import_trace import ImportTrace  # which no other process needs

    ImportTrace(lambda node: client.tell_import(node.to_json())).start()


def limit_open_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(MAX_OPEN_FILES, most), most))


def _extend_path(root: str, packages: Iterable[str]) -> None:
    """Have Python look first for the function's own modules, then for those of its packages."""
    named = os.environ.get("PYTHONPATH", "").split(":")
    first = [root, *packages, *(os.path.abspath(each) for each in named if each)]
    sys.path[:] = dict.fromkeys([*first, *sys.path])


def _add_editable_projects(editables: Iterable[tuple[str, str]]) -> None:
    """Make the projects importable that requirements name in editable mode.

    Python reads the .pth files of its own packages alone. The projects' folders stand where their
    requirements do: each folder of requirements is given with its place on Python's path.
    """
    for packages, place in editables:
        if os.path.isfile(f"{packages}/{EDITABLES}"):
            before = len(sys.path)
            site.addpackage(packages, EDITABLES, set(sys.path))
            added = sys.path[before:]
            del sys.path[before:]
            after = sys.path.index(place) + 1
            sys.path[after:after] = added


def leave_fork_server(environment: Mapping[str, str], log: int, parent: int) -> None:
    """Make a forked process look like one that was started afresh."""
    os.setsid()
    die_with_parent(parent)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _take_standard_streams(log)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    logging._startTime = _logging_start()  # type: ignore[attr-defined]
    _reset_temporary_folder()
    _renew_authentication_key()
    gc.enable()


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that ends."""
    _set_death_signal(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def outlive_parent() -> None:
    """Undo `die_with_parent`."""
    _set_death_signal(0)


def _use_batch_scheduling() -> None:
    """Keep this process from preempting the emulator when it is handed a request.

    The emulator has other requests to hand over and answers to send: without this, 16 clients get a
    tenth fewer answers.
    https://man7.org/linux/man-pages/man7/sched.7.html (SCHED_BATCH)
    """
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _set_death_signal(number: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def _wait_for_debugger(port: int) -> None:
    # Silences four lines of advice to start Python differently; breakpoints in functions work.
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    import debugpy

    del os.environ["PYDEVD_DISABLE_FILE_VALIDATION"]
    debugpy.listen(("127.0.0.1", port))
    sys.stdout.write(f"Waiting for a debugger at localhost:{port}.\n")
    sys.stdout.flush()
    debugpy.wait_for_client()


def _take_standard_streams(log: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    os.close(log)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _reset_temporary_folder() -> None:
    """Forget the folder that `tempfile` chose if a package used it when it was imported."""
    if tempfile := sys.modules.get("tempfile"):
        tempfile.tempdir = None  # type: ignore[attr-defined]


def _renew_authentication_key() -> None:
    """Give this fork a key of its own for talking to its children."""
    if multiprocessing := sys.modules.get("multiprocessing"):
        multiprocessing.current_process().authkey = os.urandom(32)


def _logging_start() -> float:
    """Now, in the unit that `logging` keeps the time in at which it was loaded."""
    return time.time_ns() if isinstance(logging._startTime, int) else time.time()  # type: ignore[attr-defined]
