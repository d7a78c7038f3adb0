"""Packs what `sam build` ships: the packages of a layer, or the code of the functions.

    python local/bundle.py packages requirements/lambda.lock FOLDER
    python local/bundle.py code FOLDER

Any Python from 3.11 on builds the same: wheels are chosen for Lambda's platform, not for this
machine's. It runs outside of the project's environment, so it needs the standard library alone.
"""

import fcntl
import glob
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

PYTHON: Final = "3.13"
# Amazon Linux 2023: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
NEWEST_GLIBC: Final = 34
OLDEST_GLIBC: Final = 17
MACHINES: Final = {"arm64": "aarch64", "x86_64": "x86_64"}
ARCHITECTURE: Final = "LAMBDA_ARCHITECTURE"

ROOT: Final = Path(__file__).resolve().parent.parent
CODE: Final = ("functions", "migrations", "shared")
# What botocore knows of the services that functions call; it brings 400 of them, 25 MB.
SERVICES: Final = frozenset({"bedrock-runtime", "s3", "sesv2", "sqs"})
# Nothing of this is read when functions run. What a package says of itself (METADATA) is.
UNUSED_FOLDERS: Final = ("__pycache__", "tests", "include")
UNUSED_PACKAGES: Final = (
    "sqlalchemy/testing",
    *(f"sqlalchemy/dialects/{each}" for each in ("mssql", "mysql", "oracle")),
)
UNUSED_FILES: Final = ("*.c", "*.h", "*.pxd", "*.pyi", "*.pyx", "py.typed")
UNUSED_RECORDS: Final = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")

NO_COMPILER: Final = (
    f"No Python {PYTHON} is here to compile for Lambda: cold starts will take two to four times"
    f" as long. Install python{PYTHON}, or name it in LAMBDA_PYTHON."
)


def packages(lock: Path, folder: Path, architecture: str) -> None:
    """Install the locked packages for Lambda, without what functions never read."""
    folder.mkdir(parents=True, exist_ok=True)
    run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--require-hashes", "--no-deps", "--no-compile", "--only-binary", ":all:"),
        # pip asks this of the Python that it runs on; the lock was made for the other one.
        "--ignore-requires-python",
        *("--implementation", "cp", "--python-version", PYTHON),
        *("--abi", f"cp{PYTHON.replace('.', '')}", "--abi", "abi3", "--abi", "none"),
        *(word for each in platforms(architecture) for word in ("--platform", each)),
        *("--target", str(folder), "--requirement", str(lock)),
    )
    strip(folder)
    compile_all(folder, shown_at="/opt/python")


def platforms(architecture: str) -> Iterator[str]:
    """The tags of wheels that run there, the newest first. https://peps.python.org/pep-0600/"""
    machine = MACHINES[architecture]
    for glibc in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1):
        yield f"manylinux_2_{glibc}_{machine}"
    yield f"manylinux2014_{machine}"


def strip(folder: Path) -> None:
    """Remove what functions never read."""
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for name in UNUSED_FOLDERS:
        for found in list(folder.rglob(name)):
            shutil.rmtree(found, ignore_errors=True)
    for name in UNUSED_PACKAGES:
        shutil.rmtree(folder / name, ignore_errors=True)
    for pattern in (*UNUSED_FILES, *(f"*.dist-info/{each}" for each in UNUSED_RECORDS)):
        remove(folder.rglob(pattern))
    for library in folder.rglob("*.so*"):
        drop_symbols(library)
    for service in (folder / "botocore" / "data").glob("*/"):
        if service.name not in SERVICES:
            shutil.rmtree(service)


def drop_symbols(library: Path) -> None:
    """Cut what follows the loaded segments: symbols and lines for debuggers, more than half
    of some libraries. https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
    """
    content = bytearray(library.read_bytes())
    if content[:6] != b"\x7fELF\x02\x01":  # of 64 bits, little-endian
        return
    (segments,) = struct.unpack_from("<Q", content, 32)
    size, number = struct.unpack_from("<HH", content, 54)
    loaded = (struct.unpack_from("<QQQQ", content, segments + n * size + 8) for n in range(number))
    end = max(offset + in_file for offset, _, _, in_file in loaded)
    struct.pack_into("<Q", content, 40, 0)  # where the table of sections begins
    struct.pack_into("<HH", content, 60, 0, 0)  # how many there are, and which has their names
    library.write_bytes(content[:end])


def code(folder: Path) -> None:
    """Copy the functions' code, compiled. The copies are made of one, which is made once."""
    made = ROOT / ".aws-sam" / "code"
    made.parent.mkdir(exist_ok=True)
    with (made.parent / "code.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # functions are built side by side
        if not is_newer(made, sources()):
            shutil.rmtree(made, ignore_errors=True)
            for part in CODE:
                shutil.copytree(
                    ROOT / part, made / part, ignore=shutil.ignore_patterns("__pycache__")
                )
            compile_all(made, shown_at="/var/task")
            os.utime(made)
    shutil.copytree(made, folder, dirs_exist_ok=True)


def sources() -> Iterator[Path]:
    yield Path(__file__)
    for part in CODE:
        yield ROOT / part
        yield from (each for each in (ROOT / part).rglob("*") if "__pycache__" not in each.parts)


def is_newer(made: Path, files: Iterable[Path]) -> bool:
    if not made.exists():
        return False
    moment = made.stat().st_mtime
    return all(each.stat().st_mtime <= moment for each in files)


def compile_all(folder: Path, *, shown_at: str) -> None:
    """Compile the modules, so that Lambda reads them without a look at their dates.

    SAM gives every file in its zip the same date, which makes other compiled files invalid.
    https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation
    """
    python = compiler()
    if python is None:
        sys.stderr.write(f"{NO_COMPILER}\n")
        return
    run(
        *(python, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), "-p", shown_at, str(folder)),
    )


def compiler() -> str | None:
    """An interpreter of the version that Lambda runs, if one is here."""
    named = os.environ.get("LAMBDA_PYTHON")
    here = sys.executable if f"{sys.version_info[0]}.{sys.version_info[1]}" == PYTHON else None
    kept = sorted(glob.glob(os.path.expanduser(f"~/.pyenv/versions/{PYTHON}.*/bin/python")))
    candidates = [named, here, shutil.which(f"python{PYTHON}"), *reversed(kept)]
    return next((each for each in candidates if each and is_compiler(each)), None)


def is_compiler(python: str) -> bool:
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    found = subprocess.run([python, "-I", "-c", asked], capture_output=True, text=True, check=False)
    return found.returncode == 0 and found.stdout.strip() == PYTHON


def remove(files: Iterable[Path]) -> None:
    for each in list(files):
        each.unlink()


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def main(words: list[str]) -> None:
    architecture = os.environ.get(ARCHITECTURE, "arm64")
    if architecture not in MACHINES:
        sys.exit(f"{ARCHITECTURE} is {architecture}; it may be {' or '.join(MACHINES)}.")
    match words:
        case ["packages", lock, folder]:
            packages(Path(lock), Path(folder), architecture)
        case ["code", folder]:
            code(Path(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
