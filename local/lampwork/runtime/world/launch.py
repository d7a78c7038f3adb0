import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lampwork.interpreters.python import own_python
from lampwork.runtime.execution.process_variables import process_variables
from lampwork.runtime.launching.launcher import Launch
from lampwork.runtime.programs.node import RUNTIME, client_folder, node
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.world import wrapper
from lampwork.runtime.world.mounts import OPT, TASK, TMP
from lampwork.runtime.world.places import Places, paths_in, without_mounts, world_of
from lampwork.stack.model import Function

WEB_HANDLER: Final = "lampwork.runtime.programs.web_handler.handler"


def launch_of(
    function: Function, settings: RuntimeSettings, trace_id: str, temporary: Path
) -> Launch:
    """What a new process of this function runs. Its temporary files go to `temporary`."""
    mounted = settings.shows_lambda_paths(function)
    named = list(paths_in({**function.environment, **settings.overrides}))
    # A file that lies in /tmp itself, such as a database, is one that programs share.
    own_tmp = mounted and TMP not in named
    places = (
        Places.lambdas(function, TMP if own_tmp else str(temporary))
        if mounted
        else Places.own(function, temporary)
    )
    variables = process_variables(function, settings, trace_id, places)
    if not mounted:
        variables = without_mounts(variables, function)
    needed = (*_needed(function, settings), *named)
    return Launch(
        handler=WEB_HANDLER if function.web_adapter else function.handler,
        code_dir=function.code_dir,
        bytecode_dir=settings.bytecode_dir,
        environment=variables,
        root=places.task,
        packages=places.packages,
        editables=tuple(_editables(function, mounted=mounted)),
        own_folders=tuple(map(str, function.packages)),
        world=world_of(function, temporary if own_tmp else None, needed) if mounted else None,
        program=_program(function),
        client=str(client_folder(settings.data_dir)) if function.needs_node_client else None,
        wrapper_script=variables.get(wrapper.VARIABLE) if function.runs_wrapper else None,
        multiprocessing=settings.multiprocessing,
        hosts=settings.hosts,
        debug_port=settings.debug_port(function),
    )


def _program(function: Function) -> tuple[str, ...]:
    command = node() if function.needs_node_client else None
    return (command, RUNTIME) if command else ()


def _editables(function: Function, *, mounted: bool) -> Iterator[tuple[str, str]]:
    if function.requirements:
        yield str(function.requirements), TASK if mounted else str(function.requirements)
    for folder in function.layer_requirements:
        yield str(folder), f"{OPT}/python" if mounted else str(folder)


def _needed(function: Function, settings: RuntimeSettings) -> Iterator[str]:
    """The paths that must lead to the same files inside and outside: those of the project and of
    Python."""
    yield from map(str, (function.code_dir, *function.packages, *function.layers))
    yield from function.linked
    yield from (str(settings.data_dir.resolve()), os.getcwd())
    yield from (*own_python().folders, *settings.python_of(function).folders)
