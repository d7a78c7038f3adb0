"""Functions that are container images: their Dockerfile is read, and nothing is built.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-cli-using-build.html
"""

import hashlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lampwork.template.images.dockerfile import TASK_ROOT, Copy, Image, read_dockerfile
from lampwork.template.resource import Resource

PROGRAM: Final = "lampwork-run.sh"
REQUIREMENTS: Final = "requirements.txt"
OPT: Final = "/opt"
# What AWS's images run, and what others do to serve events by AWS's client.
RUNTIMES: Final = ("/lambda-entrypoint.sh", "awslambdaric")


@dataclass(frozen=True, slots=True)
class ImageCode:
    """What an image is made of: the folder of its code, the handler, the runtime, its variables.

    With the `web_adapter`, the handler is a program that serves HTTP. `opt` is a folder of what it
    has in /opt, if there is anything.
    """

    folder: Path
    handler: str
    runtime: str
    variables: Mapping[str, str] = field(default_factory=dict)
    web_adapter: bool = False
    opt: Path | None = None


def read_image(resource: Resource) -> ImageCode | str:
    """The code of a function that is an image; a reason if it cannot run here.

    What the Dockerfile does and Lampwork does not is named.
    """
    found = _dockerfile(resource)
    if found is None:
        return (
            "its code is a container image without a Dockerfile; name its folder as DockerContext"
            " in Metadata"
        )
    file, context = found
    if not file.is_file():
        raise resource.error(
            f"the Dockerfile of {resource.logical_id} should be {file}, which does not exist;"
            " correct its Metadata.",
        )
    resource.template.files.append(file)
    build_arguments = resource.metadata.section("DockerBuildArgs")
    arguments = {name: build_arguments.text(name) or "" for name in build_arguments}
    image = read_dockerfile(
        file.read_text(), arguments, resource.metadata.text("DockerBuildTarget")
    )
    if image is None or image.version is None:
        base = f"the base {image.base}" if image else "no such stage"
        return f"its image has {base}; Lampwork runs images of AWS's Python image"
    return _code(resource, image, context)


def _code(resource: Resource, image: Image, context: Path) -> ImageCode | str:
    given = tuple(resource.section("ImageConfig").texts("Command"))
    entry_point = tuple(resource.section("ImageConfig").texts("EntryPoint")) or image.entry_point
    command = given or image.command
    is_runtime = any(word in RUNTIMES for word in entry_point) or not entry_point
    if not image.web_adapter and not (command and is_runtime and (image.is_aws or entry_point)):
        return f"its image runs {' '.join((*entry_point, *command)) or 'nothing'}, not a handler"
    root = TASK_ROOT if image.is_aws else image.directory
    for instruction in (*image.unknown, *_elsewhere(image, root)):
        resource.ignore(f"{instruction} of its Dockerfile", "Lampwork builds no images")
    program = (*entry_point, *command) if image.web_adapter else ()
    folder = _folder(resource, image, context, root, program)
    return ImageCode(
        folder=folder,
        handler=PROGRAM if program else command[0],
        runtime=f"python{image.version}",
        variables={
            name: value for name, value in image.variables.items() if not name.startswith("LAMBDA_")
        },
        web_adapter=image.web_adapter,
        opt=_opt_folder(resource, image, context),
    )


def _dockerfile(resource: Resource) -> tuple[Path, Path] | None:
    """The Dockerfile and the folder of its context, as SAM's or the CDK's metadata name them."""
    metadata, place = resource.metadata, resource.file.parent
    if (context := metadata.text("DockerContext")) is not None:
        folder = (place / context).resolve()
        return folder / (metadata.text("Dockerfile") or "Dockerfile"), folder
    if (name := metadata.text("Dockerfile")) is not None:
        file = (place / name).resolve()
        return file, file.parent
    if (asset := metadata.text("aws:asset:path")) is not None:
        folder = (place / asset).resolve()
        return folder / (metadata.text("aws:asset:dockerfile-path") or "Dockerfile"), folder
    return None


def _folder(
    resource: Resource, image: Image, context: Path, root: str, program: tuple[str, ...]
) -> Path:
    """A folder with links to all that the image has in its root, so that a save takes effect. If
    that is the context as it is, the folder is the context itself."""
    asked = {path.removeprefix(f"{root}/") for path in image.requirement_files}
    whole = len(image.copies) >= 1 and _is_whole(image.copies[-1], root)
    plain = asked <= {REQUIREMENTS} and not image.requirements
    if whole and plain and not program and bool(asked) == (context / REQUIREMENTS).is_file():
        return context
    draft = _draft(resource)
    for copy in image.copies:
        _link(copy, context, root, draft)
    lines = [*_requirement_lines(image, context, root, draft), *image.requirements]
    (draft / REQUIREMENTS).unlink(missing_ok=True)
    if lines:
        (draft / REQUIREMENTS).write_text("\n".join(lines))
    if program:
        (draft / PROGRAM).write_text(f"#!/bin/sh\nexec {shlex.join(program)}\n")
        (draft / PROGRAM).chmod(0o755)
    return _named_by_content(draft)


def _opt_folder(resource: Resource, image: Image, context: Path) -> Path | None:
    """A folder with links to all that the image has in /opt, where Lambda has layers."""
    if not any(copy.target.startswith(f"{OPT}/") for copy in image.copies):
        return None
    draft = _draft(resource)
    for copy in image.copies:
        _link(copy, context, OPT, draft)
    return _named_by_content(draft)


def _elsewhere(image: Image, root: str) -> Iterator[str]:
    """The copies of files to folders that a function here does not have."""
    installed = {Path(path).name for path in image.requirement_files}
    for copy in image.copies:
        is_here = any(f"{copy.target}/".startswith(f"{place}/") for place in (root, OPT))
        if not is_here and not installed & {Path(source).name for source in copy.sources}:
            yield f"COPY {' '.join(copy.sources)} {copy.target}"


def _draft(resource: Resource) -> Path:
    kept = resource.template.cache_dir.resolve() / "images"
    kept.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=kept, suffix=".tmp"))


def _is_whole(copy: Copy, root: str) -> bool:
    return copy.sources in ((".",), ("./",)) and copy.target == root


def _link(copy: Copy, context: Path, root: str, folder: Path) -> None:
    """Links to what a COPY copies, if that is to the root. Of a folder, its content is copied."""
    if copy.target != root and not copy.target.startswith(f"{root}/"):
        return
    target = folder / copy.target[len(root) :].lstrip("/")
    for pattern in copy.sources:
        for source in _matching(context, pattern):
            if source.is_dir():
                for each in sorted(source.iterdir()):
                    _replace(target / each.name, each)
            else:
                into = copy.into_folder or target.is_dir()
                _replace(target / source.name if into else target, source)


def _matching(context: Path, pattern: str) -> Iterator[Path]:
    name = pattern.lstrip("/").removeprefix("./") or "."
    if any(letter in name for letter in "*?["):
        yield from sorted(context.glob(name))
    elif (context / name).exists():
        yield context / name


def _replace(link: Path, source: Path) -> None:
    if link.is_dir() and not link.is_symlink() and source.is_dir():
        for each in source.iterdir():
            _replace(link / each.name, each)
        return
    if link.is_symlink() and link.is_dir() and source.is_dir():
        # Two folders of one name are merged.
        former = Path(os.readlink(link))
        link.unlink()
        link.mkdir()
        for folder in (former, source):
            for each in folder.iterdir():
                _replace(link / each.name, each)
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(source)


def _requirement_lines(image: Image, context: Path, root: str, folder: Path) -> Iterator[str]:
    """The requirement files that are installed, by the paths they have outside of the image."""
    for path in dict.fromkeys(image.requirement_files):
        file = folder / path.removeprefix(f"{root}/")
        if file.is_file():
            yield f"-r {file.resolve()}"
            continue
        # It was copied elsewhere, mostly to / or /tmp.
        sources = (each for copy in image.copies for each in copy.sources)
        for source in sources:
            if Path(source).name == Path(path).name:
                yield f"-r {context / source}"
                break


def _named_by_content(draft: Path) -> Path:
    """Move the folder to a name made of what it holds, unless it is there already."""
    digest = hashlib.sha256()
    for path in sorted(draft.rglob("*")):
        content = os.readlink(path).encode() if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        digest.update(f"{path.relative_to(draft)}\0".encode() + content + b"\0")
    folder = draft.parent / digest.hexdigest()[:32]
    if folder.is_dir():
        shutil.rmtree(draft)
    else:
        os.replace(draft, folder)
    return folder
