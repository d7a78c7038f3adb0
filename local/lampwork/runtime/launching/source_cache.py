import contextlib
import marshal
import os
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import MAGIC_NUMBER, source_hash
from types import CodeType

PACKAGE_FOLDERS = ("site-packages", "dist-packages")


def install(code_dir: str, bytecode_dir: str) -> None:
    """Cache the compiled modules of `code_dir` by their content, so that no edit is missed.

    Python's own cache compares size and whole seconds, so it can miss the second of two quick
    edits. Packages installed below `code_dir`, in a virtual environment, still use Python's cache.
    """

    class Loader(SourceFileLoader):
        def get_code(self, fullname: str) -> CodeType:
            return _compiled(self, fullname, bytecode_dir)

    def find_below_code_dir(path: str) -> FileFinder:
        if not is_own_code(path or os.getcwd(), code_dir):
            raise ImportError("not the function's own code", path=path)
        return FileFinder(
            path,
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (Loader, SOURCE_SUFFIXES),
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        )

    sys.path_hooks.insert(0, find_below_code_dir)
    sys.path_importer_cache.clear()


def is_own_code(path: str, code_dir: str) -> bool:
    """Whether a file or folder is the project's own, not part of an installed package."""
    if path != code_dir and not path.startswith(code_dir.rstrip("/") + "/"):
        return False
    return not any(f"/{folder}" in path[len(code_dir) :] for folder in PACKAGE_FOLDERS)


def _compiled(loader: SourceFileLoader, fullname: str, bytecode_dir: str) -> CodeType:
    path = loader.get_filename(fullname)
    source = loader.get_data(path)
    header = MAGIC_NUMBER + source_hash(source)
    cached = f"{bytecode_dir}/{fullname}-{source_hash(path.encode()).hex()}.pyc"
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
