"""What a Dockerfile says of a function: its files, packages, variables and command.

https://docs.docker.com/reference/dockerfile/
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

# https://docs.aws.amazon.com/lambda/latest/dg/python-image.html
AWS_IMAGE: Final = re.compile(
    r"(?:public\.ecr\.aws/lambda/python|amazon/aws-lambda-python|public\.ecr\.aws/sam/build-python)"
    r":?(?P<version>\d+\.\d+)[\w.-]*"
)
PYTHON_IMAGE: Final = re.compile(r"(?:[\w./-]*/)?python:(?P<version>\d+\.\d+)[\w.-]*")
WEB_ADAPTER: Final = re.compile(r"[\w./-]*aws-lambda-adapter(?::[\w.-]+)?")
TASK_ROOT: Final = "/var/task"
ROOT_VARIABLES: Final = {"LAMBDA_TASK_ROOT": TASK_ROOT, "LAMBDA_RUNTIME_DIR": "/var/runtime"}
VARIABLE: Final = re.compile(r"\\\$|\$\{(\w+)(?:(:[-+])([^}]*))?\}|\$(\w+)")
# Commands that change nothing of which a function here would notice.
HARMLESS: Final = re.compile(
    r"(?:yum|dnf|microdnf|apt-get|apt)\s+(?:-\w+\s+)*(?:update|upgrade|clean)\b.*"
    r"|rm\s.*|mkdir\s.*|chmod\s.*|echo\s.*|set\s.*|true|ls\b.*"
    r"|(?:python3?\s+-m\s+)?pip3?\s+install\s+(?:-\S+\s+)*(?:pip|setuptools|wheel|uv)(?:\s.*)?"
)
PIP: Final = re.compile(r"(?:python3?[\d.]*\s+-m\s+|uv\s+)?pip3?\s+install\s+(?P<arguments>.*)")
WITHOUT_EFFECT: Final = frozenset(
    ("LABEL", "EXPOSE", "USER", "MAINTAINER", "SHELL", "STOPSIGNAL", "HEALTHCHECK")
)
# Options of pip that take a value.
PIP_VALUES: Final = frozenset(
    ("-t", "--target", "-i", "--index-url", "--extra-index-url", "-c", "--platform", "--python")
)


@dataclass(frozen=True, slots=True)
class Copy:
    """`sources`, relative to the context, are copied to `target`, an absolute path."""

    sources: tuple[str, ...]
    target: str
    into_folder: bool


@dataclass(frozen=True, slots=True)
class Image:
    """What a stage of a Dockerfile makes.

    `base` is what FROM names. `requirement_files` are absolute paths in the image. `unknown` are
    the instructions that have no counterpart here.
    """

    base: str
    variables: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    copies: tuple[Copy, ...] = ()
    requirement_files: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    entry_point: tuple[str, ...] = ()
    web_adapter: bool = False
    unknown: tuple[str, ...] = ()

    @property
    def version(self) -> str | None:
        """The version of Python in it; None if its base is neither AWS's image nor Python's."""
        known = AWS_IMAGE.fullmatch(self.base) or PYTHON_IMAGE.fullmatch(self.base)
        return known["version"] if known else None

    @property
    def is_aws(self) -> bool:
        return AWS_IMAGE.fullmatch(self.base) is not None


def read_dockerfile(text: str, arguments: Mapping[str, str], target: str | None) -> Image | None:
    """The image of the stage `target`, by default the last one; None if there is no such stage."""
    stages: dict[str, Image] = {}
    reader = _Reader(arguments, stages)
    for word, rest in _instructions(text):
        reader.read(word, rest)
    reader.finish()
    return stages.get(target) if target else reader.last


class _Reader:
    def __init__(self, arguments: Mapping[str, str], stages: dict[str, Image]) -> None:
        self._given = arguments
        self._known: dict[str, str] = {}
        self._stages = stages
        self._image: Image | None = None
        self._name = ""
        self._ended = 0
        self.last: Image | None = None

    def finish(self) -> None:
        """End the stage that was read last."""
        if self._image is not None:
            self.last = self._image
            self._stages[str(self._ended)] = self._image
            self._ended += 1
            if self._name:
                self._stages[self._name] = self._image

    def read(self, word: str, rest: str) -> None:
        if word == "ARG":
            self._add_arguments(rest)
        elif word == "FROM":
            self._begin(rest)
        elif self._image is not None:
            self._image = self._after(self._image, word, rest)

    def _begin(self, rest: str) -> None:
        self.finish()
        words = [each for each in self._filled(rest).split() if not each.startswith("--")]
        base, *named = words or [""]
        self._name = named[1] if len(named) > 1 else ""
        former = self._stages.get(base)
        image = former or Image(base)
        if image.is_aws and former is None:
            image = replace(image, variables=ROOT_VARIABLES, directory=TASK_ROOT)
        self._image = image

    def _after(self, image: Image, word: str, rest: str) -> Image:
        match word:
            case "ENV":
                return replace(image, variables={**image.variables, **self._variables(rest)})
            case "WORKDIR":
                return replace(image, directory=_path(image, self._filled(rest).strip("\"'")))
            case "COPY" | "ADD":
                return self._copied(image, f"{word} {rest}", self._filled(rest))
            case "RUN":
                return self._ran(image, rest)
            case "CMD":
                return replace(image, command=_command(rest))
            case "ENTRYPOINT":
                return replace(image, entry_point=_command(rest))
            case _ if word in WITHOUT_EFFECT:
                return image
        return replace(image, unknown=(*image.unknown, f"{word} {rest}"))

    def _copied(self, image: Image, whole: str, rest: str) -> Image:
        words = list(_words(rest))
        options = [word for word in words if word.startswith("--")]
        paths = [word for word in words if not word.startswith("--")]
        origin = next((each[7:] for each in options if each.startswith("--from=")), None)
        if origin is not None and WEB_ADAPTER.fullmatch(origin):
            return replace(image, web_adapter=True)
        if origin is not None:
            return self._copied_from(image, whole, origin)
        if len(paths) < 2 or any("://" in each for each in paths):
            return replace(image, unknown=(*image.unknown, whole))
        *sources, target = paths
        into = target.endswith(("/", ".")) or len(sources) > 1
        copy = Copy(tuple(sources), _path(image, target), into)
        return replace(image, copies=(*image.copies, copy))

    def _copied_from(self, image: Image, whole: str, origin: str) -> Image:
        """What a former stage of Python made counts as if this one had: mostly its packages."""
        former = self._stages.get(origin)
        if former is None or former.version is None:
            return replace(image, unknown=(*image.unknown, whole))
        return replace(
            image,
            copies=(*former.copies, *image.copies),
            requirement_files=(*former.requirement_files, *image.requirement_files),
            requirements=(*former.requirements, *image.requirements),
            unknown=(*former.unknown, *image.unknown),
        )

    def _ran(self, image: Image, rest: str) -> Image:
        for part in re.split(r"&&|;|\n", rest):
            command = self._filled(re.sub(r"^(?:\s*--\S+)+", "", part)).strip()
            if not command or HARMLESS.fullmatch(command):
                continue
            if pip := PIP.fullmatch(command):
                files, packages = _asked(pip["arguments"])
                image = replace(
                    image,
                    requirement_files=(
                        *image.requirement_files,
                        *(_path(image, file) for file in files),
                    ),
                    requirements=(*image.requirements, *packages),
                )
            else:
                image = replace(image, unknown=(*image.unknown, f"RUN {command}"))
        return image

    def _add_arguments(self, rest: str) -> None:
        for word in _words(rest):
            name, _, default = word.partition("=")
            self._known[name] = self._given.get(name, self._filled(default))

    def _variables(self, rest: str) -> dict[str, str]:
        """ENV name=value …, or in its older form, ENV name value."""
        name, _, value = rest.partition(" ")
        if "=" not in name:
            return {name: self._filled(value.strip())}
        pairs = (word.partition("=") for word in _words(rest))
        return {name: self._filled(value) for name, _, value in pairs}

    def _filled(self, text: str) -> str:
        """The text with its variables replaced; one that is not known is empty."""
        known = {**self._known, **(self._image.variables if self._image else {})}

        def value(found: re.Match[str]) -> str:
            name = found[1] or found[4]
            if name is None:
                return "$"
            given = known.get(name, "")
            if found[2] == ":-":
                return given or found[3]
            return found[3] if found[2] == ":+" and given else given if found[2] is None else ""

        return VARIABLE.sub(value, text)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction in capitals with its arguments, in one line."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    whole = re.sub(r"\\[ \t]*\n", " ", "\n".join(lines))
    for line in whole.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word.upper(), rest.strip()


def _words(text: str) -> Iterator[str]:
    """The words of a JSON list or of a line, after its options."""
    options = re.match(r"(?:--\S+\s+)*", text)
    start = options.end() if options else 0
    yield from text[:start].split()
    if text[start:].startswith("["):
        try:
            yield from map(str, json.loads(text[start:]))
            return
        except ValueError:
            pass
    try:
        yield from shlex.split(text[start:])
    except ValueError:
        yield from text[start:].split()


def _command(rest: str) -> tuple[str, ...]:
    """A command in its exec form; in its shell form, it is one for the shell."""
    if rest.startswith("["):
        return tuple(_words(rest))
    return ("/bin/sh", "-c", rest)


def _path(image: Image, path: str) -> str:
    """The absolute path, without the parts that mean nothing."""
    whole = path if path.startswith("/") else f"{image.directory}/{path}"
    parts = [part for part in whole.split("/") if part not in ("", ".")]
    return "/" + "/".join(parts)


def _asked(arguments: str) -> tuple[list[str], list[str]]:
    """The requirement files and the packages that a `pip install` names."""
    files: list[str] = []
    packages: list[str] = []
    words: Iterable[str] = iter(_words(arguments))
    for word in words:
        if word in ("-r", "--requirement"):
            files += [next(iter(words), "")]
        elif word.startswith(("-r", "--requirement=")):
            files.append(word.removeprefix("--requirement=").removeprefix("-r"))
        elif word in PIP_VALUES:
            next(iter(words), None)
        elif not word.startswith("-"):
            packages.append(word)
    return files, packages
