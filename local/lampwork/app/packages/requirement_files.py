"""Reads requirements.txt files, with all that they include and all local paths that they name.

Their format is pip's: https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

import codecs
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from lampwork.errors import ConfigurationError

FILE: Final = "requirements.txt"

_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMMENT: Final = re.compile(r"(^|\s+)#.*$")
_OPTION: Final = re.compile(r"(--?[a-zA-Z][a-zA-Z-]*)(?:\s*=\s*|\s+|(?<=^-\w))(.*)$")
_ASKING: Final = ("-e ", "-r", "--requirement")  # those of other machines; the rest is read
_VARIABLE: Final = re.compile(r"\$\{([A-Z0-9_]+)\}")
_FILE_OPTIONS: Final = {"-r", "--requirement", "-c", "--constraint"}
_NAMED: Final = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^]]*\])?\s*(.*)$")
ARCHIVES: Final = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# What a local project is built from besides its modules. A change of these may change what has to
# be installed.
_BUILD_FILES: Final = ("pyproject.toml", "setup.py", "setup.cfg", FILE)


@dataclass(slots=True)
class Requirements:
    """What a file asks for.

    `lines` are the file's and those of the files it includes, as an installer takes them in any
    folder: local paths are absolute, and local projects are in editable mode, since they are the
    user's own code. `files` are all files that decide what is installed. `names` are those of
    packages, and `projects` those of local projects, without those that have a marker.
    """

    file: Path
    lines: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    projects: list[str] = field(default_factory=list)

    @property
    def asks(self) -> bool:
        """Whether there is anything to install: some files hold options or comments alone."""
        return any(line[0] != "-" or line.startswith(_ASKING) for line in self.lines)


def read_requirements(file: Path, root: Path) -> Requirements:
    """
    A relative path starts at the folder of the file that names it or, as pip and `sam build` take
    it, at the folder in which they are started: that of the first file, or the project's `root`.

    Raises:
        ConfigurationError: the file includes or names a file that is not there.
    """
    found = Requirements(file)
    _read(file, found, [file.parent, root])
    return found


def read_lines(lines: Iterable[str], file: Path, root: Path) -> Requirements:
    """What single lines ask for, which another `file` than a requirements.txt holds.

    Raises:
        ConfigurationError: a line names a file that is not there.
    """
    found = Requirements(file, files=[file])
    for line in lines:
        try:
            _read_line(line, found, [file.parent, root])
        except FileNotFoundError as error:
            raise ConfigurationError(f"{file}: there is no {error}.") from error
    return found


def read_text(file: Path) -> str:
    """A requirements file's text: UTF-8, or what its byte order mark says.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from error
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    return content.decode("utf-8", "replace")


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, each with its number: without comments, and those that end in
    a backslash joined with the next."""
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        first = first if joined else number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            joined += line[:-1] + " "
            continue
        whole, joined = _COMMENT.sub("", joined + line).strip(), ""
        if whole:
            yield first, whole
    if whole := _COMMENT.sub("", joined).strip():
        yield first, whole


def _read(file: Path, found: Requirements, folders: Sequence[Path]) -> None:
    if file in found.files:
        return  # files may include each other
    found.files.append(file)
    places = [file.parent, *folders]
    for number, line in logical_lines(read_text(file)):
        try:
            _read_line(line, found, places)
        except FileNotFoundError as error:
            raise ConfigurationError(f"{file}:{number}: there is no {error}.") from error


def _read_line(line: str, found: Requirements, places: Sequence[Path]) -> None:
    option, value = _option(line)
    if option in _FILE_OPTIONS and "://" not in value:
        included = _existing(value, places[:1])
        if option in ("-r", "--requirement"):
            _read(included, found, places[1:])
        else:
            found.files.append(included)
            found.lines.append(f"-c {included}")
    elif option in ("-f", "--find-links") and "://" not in value:
        folder = _existing(value, places)
        found.files += sorted(folder.iterdir()) if folder.is_dir() else [folder]
        found.lines.append(f"--find-links {folder}")
    elif option in ("-e", "--editable"):
        _read_requirement(value, found, places, editable=True)
    elif option:
        found.lines.append(line)
    else:
        _read_requirement(line, found, places, editable=False)


def _option(line: str) -> tuple[str, str]:
    """An option and its value; two empty texts for a requirement."""
    match = _OPTION.match(line) if line.startswith("-") else None
    if match:
        return match[1], match[2].strip().strip("\"'")
    return (line, "") if line.startswith("-") else ("", "")


def _read_requirement(
    line: str, found: Requirements, places: Sequence[Path], *, editable: bool
) -> None:
    wanted, marker = _parted(line)
    extras, location = _location(wanted, editable=editable)
    if location is None:
        found.lines.append(f"-e {line}" if editable else line)
        named = _NAMED.match(wanted)
        if named and not marker and not editable:
            found.names.append(named[1])
        return
    path = _existing(location, places)
    if path.is_dir():
        found.lines.append(f"-e {_quoted(path)}{extras}{marker}")
        found.files += [each for name in _BUILD_FILES if (each := path / name).is_file()]
        found.projects += [] if marker else [project_name(path)]
    else:
        found.files.append(path)
        # The name in `name @ file:…` says no more than the file's own.
        found.lines.append(f"{_quoted(path)}{extras}{marker}")
        found.names += [] if marker else [path.name.split("-")[0]]


def _parted(line: str) -> tuple[str, str]:
    """A requirement, and its marker and options as they stand behind it."""
    match = re.search(r"\s*(\s;|;\s|\s--)", line)
    return (line[: match.start()], f" {line[match.start() :].strip()}") if match else (line, "")


def _location(wanted: str, *, editable: bool) -> tuple[str, str | None]:
    """The extras and the local path that a requirement names; None for any other requirement."""
    name, at, url = wanted.partition("@")
    named = _NAMED.match(name.strip()) if at else None
    if named and not named[3] and ":" in url:
        return named[2] or "", _local_path(url.strip())
    match = re.match(r"(.*?)(\[[^]]*\])?$", wanted)
    text, extras = (match[1].strip(), match[2] or "") if match else (wanted, "")
    if ":" in text.partition("/")[0]:
        return extras, _local_path(text)
    is_path = editable or "/" in text or text.startswith(".") or text.endswith(ARCHIVES)
    return extras, text if is_path and "://" not in text else None


def _local_path(url: str) -> str | None:
    """The path of a file: URL, which may be relative, as in file:../shared."""
    if not url.startswith("file:"):
        return None
    parts = urlsplit(url)
    local = parts.netloc in ("", "localhost")
    return unquote(parts.path) if local else None


def _existing(text: str, places: Iterable[Path]) -> Path:
    whole = _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), text)
    for place in places:
        if (path := place / whole).exists():
            return path.resolve()
    raise FileNotFoundError(text)


def _quoted(path: Path) -> str:
    """A path as it stands in a requirements file, where a blank would end it."""
    return path.as_uri() if re.search(r"[\s#]", str(path)) else str(path)


def project_name(folder: Path) -> str:
    """The name of the package that a local project builds; its folder's if no file says it."""
    for file, pattern in (
        ("pyproject.toml", r"""(?m)^name\s*=\s*["']([\w.-]+)["']"""),
        ("setup.cfg", r"(?m)^name\s*=\s*([\w.-]+)"),
        ("setup.py", r"""\bname\s*=\s*["']([\w.-]+)["']"""),
    ):
        path = folder / file
        if path.is_file() and (match := re.search(pattern, path.read_text(errors="replace"))):
            return match[1]
    return folder.name
