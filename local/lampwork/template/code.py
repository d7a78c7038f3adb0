import hashlib
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from lampwork.template.resource import Resource

CFNRESPONSE: Final = Path(__file__).parent / "inline" / "cfnresponse.py"
IS_ES_MODULE: Final = re.compile(r"^\s*(?:export\s|import\s*[\w{*\"'])", re.MULTILINE)
IMPORTS_CFNRESPONSE: Final = re.compile(r"^\s*import cfnresponse\b", re.MULTILINE)


def code_folder(resource: Resource, path: str, property: str) -> Path:
    """The folder at a path in the template. A zip file is unpacked, once for each content; any
    other file is alone in a folder of its own.

    Raises:
        TemplateError: there is nothing at this path, or a file whose name alone is that of a zip.
    """
    try:
        found = (resource.file.parent / path).resolve()
        is_file = found.is_file()
    except (OSError, ValueError) as error:  # too long, or with a null byte
        raise resource.error(
            f"the code of {resource.logical_id} cannot be at {path!r}: {error}.", property
        ) from error
    if found.is_dir():
        return found
    if not is_file:
        raise resource.error(
            f"the code of {resource.logical_id} should be in the folder {found}, which does not"
            f" exist; correct its {property}.",
            property,
        )
    resource.template.files.append(found)
    if not zipfile.is_zipfile(found):
        if found.suffix == ".zip":
            raise resource.error(
                f"the code of {resource.logical_id}, {found}, is no zip file, as its name says.",
                property,
            )
        # `sam package` puts a single file into a zip of its own. A link, so that a save takes
        # effect.
        return _made_once(
            resource, f"{found}".encode(), lambda folder: (folder / found.name).symlink_to(found)
        )
    resource.template.files.append(found)
    content = found.read_bytes()
    return _made_once(resource, content, lambda folder: _unpack(found, folder))


def inline_folder(resource: Resource, code: str) -> Path:
    """A folder for code that is written in the template itself. Its module is `index`. Code that
    imports `cfnresponse` finds that module, too.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html
    """
    files = {"index.py": code}
    if IMPORTS_CFNRESPONSE.search(code):
        files["cfnresponse.py"] = CFNRESPONSE.read_text()

    def write(folder: Path) -> None:
        for name, content in files.items():
            folder.joinpath(name).write_text(content)

    return _made_once(resource, "\0".join(files.values()).encode(), write)


def inline_node_folder(resource: Resource, code: str) -> Path:
    """The same for Node.js. Code with `import` or `export` statements is an ECMAScript module."""
    name = "index.mjs" if IS_ES_MODULE.search(code) else "index.js"
    return _made_once(
        resource, f"{name}\0{code}".encode(), lambda folder: folder.joinpath(name).write_text(code)
    )


def requirements_folder(resource: Resource, requirements: Sequence[str]) -> Path:
    """A folder with nothing but a requirements.txt that asks for these."""
    content = "\n".join(requirements)
    return _made_once(
        resource,
        content.encode(),
        lambda folder: folder.joinpath("requirements.txt").write_text(content),
    )


def _made_once(resource: Resource, content: bytes, make: Callable[[Path], object]) -> Path:
    """A folder named after its content. It is complete or it does not exist."""
    kept = resource.template.cache_dir.resolve() / "code"
    folder = kept / hashlib.sha256(content).hexdigest()[:32]
    if not folder.is_dir():
        kept.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=kept, suffix=".tmp"))
        make(draft)
        try:
            os.replace(draft, folder)
        except OSError:  # another process was quicker
            shutil.rmtree(draft)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        files.extractall(folder)
