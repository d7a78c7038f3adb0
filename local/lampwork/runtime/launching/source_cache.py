import contextlib
import marshal
import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER, source_hash
from types import CodeType

from lampwork.runtime.user_code import UserCode
from lampwork.runtime.world.mounts import real_path


def install(user_code: UserCode, bytecode_dir: str, code_dir: str) -> None:
    """Cache the compiled modules of the user's code by their content, so that no edit is missed.

    Python's own cache compares size and whole seconds, so it can miss the second of two quick
    edits. Installed packages still use it. The loader itself is changed, since editable projects
    and plugins bring finders of their own, which all use this loader. `code_dir` is the function's
    folder, by the path that it has outside of its process.
    """
    from_pythons_cache = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        path = os.path.abspath(self.get_filename(fullname))
        real = real_path(path, code_dir)
        if real in user_code:
            return _compiled(self, path, f"{bytecode_dir}/{fullname}-{_key(path, real)}.pyc")
        return from_pythons_cache(self, fullname)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    sys.path_importer_cache.clear()


def _key(path: str, real: str) -> str:
    """The code knows its path, which several functions' modules may share."""
    return source_hash(f"{path}\0{real}".encode()).hex()


def _compiled(loader: SourceFileLoader, path: str, cached: str) -> CodeType:
    source = loader.get_data(path)
    header = MAGIC_NUMBER + source_hash(source)
    code = _read(cached, header)
    if code is None:
        code = loader.source_to_code(source, path)
        _write(cached, header + marshal.dumps(code))
    return code


def _read(cached: str, header: bytes) -> CodeType | None:
    try:
        with open(cached, "rb") as file:
            data = file.read()
        code = marshal.loads(data[len(header) :]) if data.startswith(header) else None  # noqa: S302
    except (OSError, EOFError, ValueError, TypeError):
        return None
    return code if isinstance(code, CodeType) else None


def _write(cached: str, data: bytes) -> None:
    """Replace the file atomically, because several processes may compile the same module."""
    partial = f"{cached}.{os.getpid()}"
    # On a full or read-only disk, the next process just compiles again.
    with contextlib.suppress(OSError):
        with open(partial, "wb") as file:
            file.write(data)
        os.replace(partial, cached)
