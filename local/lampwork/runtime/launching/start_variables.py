"""The variables that a program reads when it starts, which nothing can give it later."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# Those of Python, the C library and the dynamic loader.
READ_AT_START: Final = ("PYTHON", "LD_", "LC_", "MALLOC_", "GLIBC_")
ALSO_READ_AT_START: Final = frozenset({"HOME", "LANG", "LANGUAGE", "OPENSSL_CONF", "PATH", "TZ"})


def usual_variables(python: str, task: str, layers: Sequence[str] = ()) -> dict[str, str]:
    """Those that Lambda gives a function with its code in `task`, which the function may change."""
    programs = [f"{Path(python).parent}:/usr/local/bin:/usr/bin:/bin"]
    return {
        "LANG": "en_US.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "LD_LIBRARY_PATH": ":".join([task, f"{task}/lib", *(f"{each}/lib" for each in layers)]),
        "PATH": ":".join([*programs, *(f"{each}/bin" for each in layers)]),
        "TZ": ":UTC",
    }


def read_at_start(environment: Mapping[str, str], *, lambda_paths: bool) -> dict[str, str]:
    """The variables of a function that a fork server must have from its very beginning.

    Not PYTHONPATH, which `process` reads. Not LD_LIBRARY_PATH where it names folders of this
    function alone: those with libraries have no fork server.
    """
    left = {"PYTHONPATH"} if lambda_paths else {"PYTHONPATH", "LD_LIBRARY_PATH"}
    return {
        name: value
        for name, value in environment.items()
        if (name.startswith(READ_AT_START) or name in ALSO_READ_AT_START) and name not in left
    }
